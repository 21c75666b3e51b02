/* Titles of threads: see fsck_titles.h. */
#include "fsck/fsck_titles.h"

#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_MAX 120u /* bytes that are shown of one */

/* Where a text may be cut: not inside a character of UTF-8. */
static size_t cut_at(struct avj_slice text)
{
    if (text.len <= TITLE_MAX)
        return text.len;
    size_t len = TITLE_MAX;
    while (len > 0 && (((const uint8_t *)text.data)[len] & 0xc0) == 0x80)
        len--;
    return len;
}

/* Owned by the caller; NULL: not known. */
static char *title_of(struct avj_view *view, const char *id)
{
    uint32_t number = avj_view_find(view, AVJ_THREAD, id, strlen(id));
    struct avj_fields fields;
    struct avj_tree *tree;
    if (!avj_view_visible(view, number) || avj_view_fields(view, number, &fields, NULL) != AVJ_OK ||
        !fields.len || avj_tree_parse(fields.data, fields.len, &tree) != AVJ_OK)
        return NULL;
    struct avj_slice title = avj_value_get_text(avj_tree_root(tree), "title");
    char *copy = title.len ? strndup(title.data, cut_at(title)) : NULL;
    avj_tree_free(tree);
    return copy;
}

void fsck_titles_add(struct avj_view *view, struct fsck_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        struct fsck_finding *f = findings->items[i];
        for (size_t t = 0; t < f->threads.count; t++)
            if (!f->titles[t])
                f->titles[t] = title_of(view, f->threads.ids[t]);
    }
}
