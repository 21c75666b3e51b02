/* Reading the word lists: see texts.h. */
#include "tests/dictionary/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void texts_die(const char *what, const char *which)
{
    fprintf(stderr, "train-dictionary: %s: %s\n", which, what);
    exit(1);
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t cap = 1 << 20, len;
    char *bytes = malloc(cap);

    if (!file || !bytes)
        texts_die("can not be read", path);
    len = fread(bytes, 1, cap - 1, file);
    if (ferror(file) || len == cap - 1)
        texts_die("can not be read, or is too long", path);
    bytes[len] = '\0';
    fclose(file);
    return bytes;
}

static void add(struct text_list *list, const char *item)
{
    if (list->count % 256 == 0) {
        list->items = realloc(list->items, (list->count + 256) * sizeof *list->items);
        if (!list->items)
            texts_die("out of memory", "word list");
    }
    list->items[list->count++] = item;
}

/* What follows the comment at the head of a file. */
static char *behind_comment(char *text)
{
    while (*text == '#') {
        text = strchr(text, '\n');
        if (!text)
            texts_die("nothing but a comment", "word list");
        text++;
    }
    return text;
}

/* Cuts the file at every `divider`; a piece is as long as it is, blanks included. */
static void load(struct text_list *list, const char *folder, const char *name, const char *divider)
{
    char path[4096], *at, *end;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    list->bytes = read_all(path);
    at = behind_comment(list->bytes);
    while ((end = strstr(at, divider)) != NULL) {
        *end = '\0';
        if (*at)
            add(list, at);
        at = end + strlen(divider);
    }
    if (*at)
        add(list, at);
    if (list->count == 0)
        texts_die("empty", path);
}

static void load_words(struct text_list *list, const char *folder)
{
    char path[4096], *save = NULL;

    snprintf(path, sizeof path, "%s/words.txt", folder);
    list->bytes = read_all(path);
    for (char *word = strtok_r(behind_comment(list->bytes), " \n", &save); word;
         word = strtok_r(NULL, " \n", &save))
        add(list, word);
}

void texts_load(struct texts *texts, const char *folder)
{
    memset(texts, 0, sizeof *texts);
    load_words(&texts->words, folder);
    load(&texts->phrases, folder, "phrases.txt", "\n");
    load(&texts->blocks, folder, "blocks.txt", "\n%%\n");
    load(&texts->languages, folder, "languages.txt", "\n");
}

static void release(struct text_list *list)
{
    free(list->bytes);
    free(list->items);
}

void texts_release(struct texts *texts)
{
    release(&texts->words);
    release(&texts->phrases);
    release(&texts->blocks);
    release(&texts->languages);
}
