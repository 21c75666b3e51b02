/*
 * The word lists of this folder, read into memory: what the built-in dictionary is made from.  All
 * of it was written for this purpose.
 *
 * Threading: plain data.  Any failure ends the program.
 */
#ifndef DICTIONARY_TEXTS_H
#define DICTIONARY_TEXTS_H

#include <stddef.h>

struct text_list {
    char *bytes; /* the file, cut into pieces */
    const char **items;
    size_t count;
};

struct texts {
    struct text_list words;     /* words.txt: single words, common ones first */
    struct text_list phrases;   /* phrases.txt: pieces of sentences, blanks at their ends kept */
    struct text_list blocks;    /* blocks.txt: code, markdown, letters */
    struct text_list languages; /* languages.txt: sentences that are not English */
};

void texts_load(struct texts *texts, const char *folder);
void texts_release(struct texts *texts);
_Noreturn void texts_die(const char *what, const char *which);

#endif
