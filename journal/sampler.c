/* The dictionary of a sealed segment: see sampler.h. */
#include "journal/sampler.h"

#include <stdlib.h>
#include <string.h>

#define PIECES 16
#define PIECE  (AVJ_DICTIONARY_MAX / PIECES)
/* Less than that is not worth a dictionary. */
#define WORTH_WHILE ((uint64_t)8 * AVJ_DICTIONARY_MAX)

bool avj_sampler_pays(const struct avj_sampler *s)
{
    return s->total >= WORTH_WHILE;
}

enum avj_status avj_sampler_begin(struct avj_sampler *s)
{
    s->bytes = malloc(AVJ_DICTIONARY_MAX);
    return s->bytes ? AVJ_OK : AVJ_ENOMEM;
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
        size_t from = (size_t)(next(s) - s->at), rest = PIECE - s->piece_len;
        size_t n = rest < len - from ? rest : len - from;
        memcpy(s->bytes + s->len, data + from, n);
        s->len += n;
        s->piece_len += n;
        if (s->piece_len < PIECE)
            break;
        s->piece++;
        s->piece_len = 0;
    }
    s->at += len;
}

void avj_sampler_dictionary(const struct avj_sampler *s, struct avj_dictionary *out)
{
    *out = (struct avj_dictionary){.data = s->bytes, .len = (uint32_t)s->len};
    out->hash = avj_dictionary_hash(s->bytes, s->len);
    /* One that a frame could not name is none. */
    if (!(uint32_t)out->hash)
        out->len = 0;
}

void avj_sampler_release(struct avj_sampler *s)
{
    free(s->bytes);
    memset(s, 0, sizeof(*s));
}
