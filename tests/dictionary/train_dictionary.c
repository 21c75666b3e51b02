/*
 * train-dictionary WORDS-FOLDER OUT: makes the built-in dictionary from the word lists of this
 * folder.  Run by hand; what it made is checked in as journal/dictionary-1.zdict and fixed for ever
 * as part of the format.  Deterministic with one version of libzstd (1.5.4), which takes the
 * statistics.
 *
 * The content is put together here rather than picked out of samples by zdict.h: a record is so
 * small that whole sentences matter little, and as many different words as there is room for win.
 * The nearer to the end, the cheaper to refer to: rare words come first, what every entry has comes
 * last.
 */
#include "tests/dictionary/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zdict.h>

#define SEED    1
#define SAMPLES 6000
/* Words that are common enough to be near. */
#define COMMON ((size_t)1000)
/* Level whose choice of matches the statistics are taken with. */
#define LEVEL 12
/* In the file's head; the journal does not use it. */
#define DICTIONARY_ID 1096174897u /* "AVJ1" */

static void add_text(struct avj_pack *out, const char *text)
{
    avj_pack_raw(out, text, strlen(text));
}

static void add_words(struct avj_pack *out, const struct text_list *words, size_t from, size_t to)
{
    for (size_t i = to; i-- > from;) {
        add_text(out, " ");
        add_text(out, words->items[i]);
    }
    add_text(out, " ");
}

static void add_list(struct avj_pack *out, const struct text_list *list)
{
    for (size_t i = list->count; i-- > 0;)
        add_text(out, list->items[i]);
}

static void make_content(const struct texts *texts, struct avj_pack *out)
{
    size_t common = texts->words.count < COMMON ? texts->words.count : COMMON;
    struct chat chat;

    add_words(out, &texts->words, common, texts->words.count);
    add_list(out, &texts->languages);
    add_list(out, &texts->blocks);
    add_words(out, &texts->words, 0, common);
    add_list(out, &texts->phrases);
    chat_init(&chat, texts, SEED);
    chat_skeleton(&chat, out);
    chat_release(&chat);
}

static void make_samples(const struct texts *texts, struct avj_pack *out, size_t sizes[SAMPLES])
{
    struct chat chat;

    chat_init(&chat, texts, SEED + 1);
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t before = out->len;
        chat_next(&chat, out);
        sizes[i] = out->len - before;
    }
    chat_release(&chat);
}

static void write_out(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0)
        texts_die("can not be written", path);
}

int main(int argc, char **argv)
{
    static uint8_t dictionary[128 * 1024];
    static size_t sizes[SAMPLES];
    struct avj_pack content = {0}, samples = {0};
    ZDICT_params_t params = {.compressionLevel = LEVEL, .dictID = DICTIONARY_ID};
    struct texts texts;
    size_t len;

    if (argc != 3) {
        fprintf(stderr, "usage: train-dictionary WORDS-FOLDER OUT\n");
        return 2;
    }
    texts_load(&texts, argv[1]);
    make_content(&texts, &content);
    make_samples(&texts, &samples, sizes);
    if (content.failed || samples.failed)
        texts_die("out of memory", "samples");
    len = ZDICT_finalizeDictionary(dictionary, sizeof dictionary, content.data, content.len,
                                   samples.data, sizes, SAMPLES, params);
    if (ZDICT_isError(len))
        texts_die(ZDICT_getErrorName(len), "zdict");
    write_out(argv[2], dictionary, len);
    printf("%zu bytes: %zu of content; statistics of %d samples, %zu bytes\n", len, content.len,
           SAMPLES, samples.len);
    avj_pack_release(&content);
    avj_pack_release(&samples);
    texts_release(&texts);
    return 0;
}
