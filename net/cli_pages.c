/* Walking long lists page by page, in memory that does not grow with them. */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

#define THREADS_PAGE                                                                               \
    1000 /* their fields are small, and the store orders all of them for a page                    \
          */
#define MESSAGES_PAGE 200

typedef enum avj_status read_fn(struct avj_store *store, const char *thread,
                                const struct avj_page *page, const struct avj_doc **docs,
                                size_t *count, struct avj_error *err);

static enum avj_status read_threads(struct avj_store *store, const char *thread,
                                    const struct avj_page *page, const struct avj_doc **docs,
                                    size_t *count, struct avj_error *err)
{
    (void)thread;
    return avj_store_threads(store, page, docs, count, err);
}

/* True: the list goes on behind them. */
static bool show_page(struct cli *cli, const struct avj_doc *docs, size_t count, cli_each_fn *each,
                      void *arg, int *code)
{
    *code = CLI_DONE;
    for (size_t i = 0; i < count; i++) {
        if (cli->output_failed || !each(arg, &docs[i], code) || *code != CLI_DONE)
            return false;
    }
    return true;
}

static int walk(struct cli *cli, read_fn *read, const char *thread, struct avj_page page,
                cli_each_fn *each, void *arg)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    char *after = NULL;
    size_t count;
    int code;

    for (bool more = true; more;) {
        enum avj_status status = read(cli->store, thread, &page, &docs, &count, &err);
        code = status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
        more = code == CLI_DONE && show_page(cli, docs, count, each, arg, &code) &&
               count == page.limit;
        free(after);
        after = more ? strdup(docs[count - 1].id) : NULL; /* borrowed until the next page */
        if (more && !after)
            return cli_fail("out of memory");
        page.after = after;
    }
    free(after);
    return code;
}

int cli_each_thread(struct cli *cli, const char *after, cli_each_fn *each, void *arg)
{
    struct avj_page page = {.after = after, .limit = THREADS_PAGE};

    return walk(cli, read_threads, NULL, page, each, arg);
}

int cli_each_message(struct cli *cli, const char *thread, const char *after, const char *before,
                     cli_each_fn *each, void *arg)
{
    struct avj_page page = {.after = after, .before = before, .limit = MESSAGES_PAGE};

    return walk(cli, avj_store_page, thread, page, each, arg);
}
