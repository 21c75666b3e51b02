/* The dictionary of a sealed segment: see sampler.h. */
#include "journal/sampler.h"
#include "journal/train.h"

#include <stdlib.h>
#include <string.h>

#define PIECES 256
#define PIECE  ((size_t)8192)
/* Less than that is not worth a dictionary. */
#define WORTH_WHILE ((uint64_t)8 * AVJ_DICTIONARY_MAX)

bool avj_sampler_pays(const struct avj_sampler *s)
{
    return s->total >= WORTH_WHILE;
}

/* Bytes of a piece: of little, all of it is taken. */
static size_t piece(const struct avj_sampler *s)
{
    return s->total / PIECES < PIECE ? (size_t)(s->total / PIECES) : PIECE;
}

enum avj_status avj_sampler_begin(struct avj_sampler *s)
{
    s->bytes = malloc(PIECES * PIECE);
    s->dictionary = malloc(AVJ_DICTIONARY_MAX);
    return s->bytes && s->dictionary ? AVJ_OK : AVJ_ENOMEM;
}

/* Where the next byte to be taken stands. */
static uint64_t next(const struct avj_sampler *s)
{
    return s->total / PIECES * s->piece + s->piece_len;
}

bool avj_sampler_wants(const struct avj_sampler *s, size_t len)
{
    return s->piece < PIECES && next(s) < s->at + len;
}

void avj_sampler_add(struct avj_sampler *s, const uint8_t *data, size_t len)
{
    while (avj_sampler_wants(s, len)) {
        size_t from = (size_t)(next(s) - s->at), rest = piece(s) - s->piece_len;
        size_t n = rest < len - from ? rest : len - from;
        memcpy(s->bytes + s->len, data + from, n);
        s->len += n;
        s->piece_len += n;
        if (s->piece_len < piece(s))
            break;
        s->piece++;
        s->piece_len = 0;
    }
    s->at += len;
}

/* Where nothing can be chosen: every so many-th piece. */
static size_t take_evenly(const struct avj_sampler *s)
{
    size_t step = PIECES * PIECE / AVJ_DICTIONARY_MAX, len = 0;
    for (size_t i = 0; i < s->piece; i += step, len += piece(s))
        memcpy(s->dictionary + len, s->bytes + i * piece(s), piece(s));
    return len;
}

void avj_sampler_dictionary(const struct avj_sampler *s, struct avj_dictionary *out)
{
    size_t sizes[PIECES];
    for (size_t i = 0; i < s->piece; i++)
        sizes[i] = piece(s);
    size_t len = avj_train_content(s->bytes, sizes, s->piece, s->dictionary, AVJ_DICTIONARY_MAX);
    if (!len)
        len = take_evenly(s);
    *out = (struct avj_dictionary){.data = s->dictionary, .len = (uint32_t)len};
    out->hash = avj_dictionary_hash(s->dictionary, len);
    /* One that a frame could not name is none. */
    if (!(uint32_t)out->hash)
        out->len = 0;
}

void avj_sampler_release(struct avj_sampler *s)
{
    free(s->bytes);
    free(s->dictionary);
    memset(s, 0, sizeof(*s));
}
