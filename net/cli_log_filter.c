/* Which entries `avchat log` shows: see cli_log.h. */
#include "net/cli_log.h"

#include "journal/fetch.h"

#include <stdlib.h>
#include <string.h>

/* Stamps rise through the log but for processes that wrote at the same moment, and machines whose
 * clock was corrected: this much on both sides is read all the same. */
#define SLACK_MS 60000

/* ---- from the command line ---- */

static int take_type(struct cli_log_filter *filter, const char *name, size_t len)
{
    for (int t = 0; t <= AVJ_ENTRY_TYPES; t++) {
        const char *known =
            t == AVJ_ENTRY_TYPES ? "unknown" : avj_entry_type_name((enum avj_entry_type)t);
        if (strlen(known) != len || memcmp(known, name, len) != 0)
            continue;
        filter->types |= 1u << t;
        return CLI_DONE;
    }
    return cli_usage("--type: there are no entries of type '%.*s'; see avchat help log", (int)len,
                     name);
}

static int take_types(struct cli *cli, struct cli_log_filter *filter)
{
    const char *text = cli->value[OPT_TYPE];
    int code = CLI_DONE;

    while (text && code == CLI_DONE) {
        size_t len = strcspn(text, ",");
        code = take_type(filter, text, len);
        text = text[len] ? text + len + 1 : NULL;
    }
    return code;
}

/* Full ids for shortened ones, where the store can be opened; what is deleted, or in a damaged
 * journal, is named in full. */
static int resolve(struct cli *cli, struct cli_log_filter *filter)
{
    struct avj_store_options options = {.read_only = true};

    if (!cli_given(cli, OPT_THREAD) && !cli_given(cli, OPT_MESSAGE))
        return CLI_DONE;
    bool open = avj_store_open(cli->dir, &options, &cli->store, NULL) == AVJ_OK;
    const char *thread = cli->value[OPT_THREAD], *message = cli->value[OPT_MESSAGE];
    if (thread)
        filter->thread = open ? cli_resolve_if_there(cli, AVJ_THREAD, thread) : strdup(thread);
    if (message && (filter->thread || !thread))
        filter->message = open ? cli_resolve_if_there(cli, AVJ_MESSAGE, message) : strdup(message);
    if (open)
        avj_store_close(cli->store);
    cli->store = NULL;
    return (!thread || filter->thread) && (!message || filter->message) ? CLI_DONE : CLI_FAILED;
}

int cli_log_filter_take(struct cli *cli, struct cli_log_filter *filter)
{
    *filter = (struct cli_log_filter){.limited = cli_given(cli, OPT_LIMIT)};
    filter->first_ones = cli_given(cli, OPT_FROM) || cli_given(cli, OPT_SINCE);
    if (cli_number(cli, OPT_FROM, UINT64_MAX, &filter->from) != CLI_DONE ||
        cli_number(cli, OPT_TO, UINT64_MAX, &filter->to) != CLI_DONE ||
        cli_number(cli, OPT_LIMIT, UINT64_MAX, &filter->limit) != CLI_DONE ||
        cli_time(cli, OPT_SINCE, &filter->since_ms) != CLI_DONE ||
        cli_time(cli, OPT_UNTIL, &filter->until_ms) != CLI_DONE ||
        take_types(cli, filter) != CLI_DONE)
        return CLI_USAGE;
    if (cli_given(cli, OPT_TO) && filter->to == 0)
        return cli_usage("--to: sequence numbers begin at 1");
    return resolve(cli, filter);
}

void cli_log_filter_release(struct cli_log_filter *filter)
{
    free(filter->thread);
    free(filter->message);
    avj_set_release(&filter->members);
}

void cli_log_filter_restart(struct cli_log_filter *filter)
{
    avj_set_clear(&filter->members);
}

bool cli_log_filter_looks_inside(const struct cli_log_filter *filter)
{
    return filter->types || filter->thread || filter->message || filter->since_ms ||
           filter->until_ms;
}

/* ---- where to begin ---- */

/* When a record was written; false where it can not be read. */
static bool time_of(struct avj_fetcher *fetcher, uint64_t seq, int64_t *ms)
{
    struct avj_record record;
    struct avj_entry entry;

    if (avj_fetcher_get(fetcher, seq, &record, NULL) != AVJ_OK ||
        avj_entry_decode(record.data, record.len, &entry, NULL) != AVJ_OK)
        return false;
    *ms = avj_hlc_ms(entry.hlc);
    avj_entry_release(&entry);
    return true;
}

/* The first of the records [low, high) that was written at `ms` or later; low where that can not be
 * found out. */
static uint64_t first_since(const struct cli *cli, uint64_t low, uint64_t high, int64_t ms)
{
    struct avj_fetcher *fetcher;
    uint64_t begin = low;
    int64_t at;

    if (avj_fetcher_open(NULL, cli->dir, 0, &fetcher, NULL) != AVJ_OK)
        return low;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (!time_of(fetcher, middle, &at)) {
            low = begin;
            break;
        }
        if (at < ms)
            low = middle + 1;
        else
            high = middle;
    }
    avj_fetcher_close(fetcher);
    return low;
}

void cli_log_filter_begin(const struct cli *cli, const struct cli_log_filter *filter,
                          uint64_t first, uint64_t next, uint64_t *read, uint64_t *show)
{
    *show = filter->from ? filter->from : first;
    if (filter->since_ms && *show < next) {
        uint64_t since = first_since(cli, first, next, filter->since_ms - SLACK_MS);
        *show = since > *show ? since : *show;
    }
    if (filter->limited && !filter->first_ones && !cli_log_filter_looks_inside(filter)) {
        uint64_t end = filter->to && filter->to < next ? filter->to + 1 : next;
        if (end > first && end - first > filter->limit && end - filter->limit > *show)
            *show = end - filter->limit;
    }
    /* What is in a thread is told by the entries that made it. */
    *read = filter->thread ? first : *show;
}

/* ---- looking ---- */

static enum avj_status add_member(struct cli_log_filter *filter, const struct avj_entry *entry)
{
    char *id = strndup(entry->id.data, entry->id.len);
    bool added = id && avj_set_add(&filter->members, entry->entity, id);

    free(id);
    return added ? AVJ_OK : AVJ_ENOMEM;
}

static bool is_member(const struct cli_log_filter *filter, enum avj_entity entity,
                      struct avj_slice id)
{
    char *text = id.data ? strndup(id.data, id.len) : NULL;
    bool is =
        text && (avj_set_has(&filter->members, entity, text) ||
                 (filter->thread && entity == AVJ_THREAD && !strcmp(text, filter->thread)) ||
                 (filter->message && entity == AVJ_MESSAGE && !strcmp(text, filter->message)));

    free(text);
    return is;
}

/* A document whose fields say that it is in the thread is one of its members from then on. */
static enum avj_status learn(struct cli_log_filter *filter, const struct avj_entry *entry)
{
    struct avj_value fields, thread;

    if (!entry->has_document || entry->entity == AVJ_THREAD ||
        !avj_value_get(entry->root, "f", &fields) || !avj_value_get(fields, "threadId", &thread) ||
        !avj_value_text_is(thread, filter->thread))
        return AVJ_OK;
    return add_member(filter, entry);
}

/* A push names many documents. */
static bool pushes_member(const struct cli_log_filter *filter, const struct avj_entry *entry)
{
    struct avj_value list;

    if (entry->type != AVJ_E_PUSH || !avj_value_get(entry->root, "d", &list) ||
        list.kind != AVJ_LIST)
        return false;
    for (size_t i = 0; i < list.len; i++) {
        struct avj_value item = avj_value_item(list, i);
        if (item.kind != AVJ_LIST || item.len < 2)
            continue;
        struct avj_value kind = avj_value_item(item, 0), id = avj_value_item(item, 1);
        if (kind.kind == AVJ_TEXT && id.kind == AVJ_TEXT &&
            is_member(filter, avj_entity_from_kind(kind.text, kind.len),
                      (struct avj_slice){id.text, id.len}))
            return true;
    }
    return false;
}

static bool is_about(const struct cli_log_filter *filter, const struct avj_entry *entry)
{
    if (!filter->thread && !filter->message)
        return true;
    return (entry->has_document && is_member(filter, entry->entity, entry->id)) ||
           pushes_member(filter, entry);
}

enum avj_status cli_log_filter_look(struct cli_log_filter *filter, uint64_t seq,
                                    const struct avj_entry *entry, bool *shown, bool *over)
{
    int64_t ms = avj_hlc_ms(entry->hlc);
    enum avj_status status = filter->thread && !filter->message ? learn(filter, entry) : AVJ_OK;

    *over = (filter->to && seq >= filter->to) ||
            (filter->until_ms && ms >= filter->until_ms + SLACK_MS);
    *shown = (!filter->to || seq <= filter->to) && (!filter->since_ms || ms >= filter->since_ms) &&
             (!filter->until_ms || ms < filter->until_ms) &&
             (!filter->types || (filter->types & 1u << entry->type)) && is_about(filter, entry);
    return status;
}
