#include "journal/fetch.h"
#include <stdlib.h>
#include <string.h>
struct avj_fetcher {
    struct avj_journal *j;
    struct avj_cursor *c;
};
enum avj_status avj_fetcher_open(const struct avj_io *io, const char *path, size_t n,
                                 struct avj_fetcher **out, struct avj_error *err)
{
    (void)n;
    struct avj_journal_options o = {.io = io, .read_only = true, .no_background = true};
    *out = calloc(1, sizeof **out);
    return avj_journal_open(path, &o, &(*out)->j, err);
}
enum avj_status avj_fetcher_get(struct avj_fetcher *f, uint64_t seq, struct avj_record *r,
                                struct avj_error *err)
{
    avj_cursor_close(f->c);
    f->c = NULL;
    enum avj_status s = avj_cursor_open(f->j, seq, &f->c, err);
    if (s == AVJ_OK)
        s = avj_cursor_next(f->c, r, err);
    return s == AVJ_END ? avj_fail(err, AVJ_ENOTFOUND, "no record") : s;
}
void avj_fetcher_close(struct avj_fetcher *f)
{
    if (f) {
        avj_cursor_close(f->c);
        avj_journal_close(f->j);
        free(f);
    }
}
