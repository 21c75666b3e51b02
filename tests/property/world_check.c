/* What must hold in a world: see world.h. */
#include "tests/property/world.h"

#include "fsck/fsck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number(const struct replica *r)
{
    return (int)(r - r->world->replicas);
}

/* ---- what must be seen, sorted naively ---- */

struct seen {
    const struct doc *doc;
    struct fieldmap fields;
    int64_t created_ms, last_ms;
    bool pinned;
    size_t messages;
};

static int64_t time_of(const struct fieldmap *fields, const char *name)
{
    int64_t ms = 0;
    return json_time(field_get(fields, name), &ms) ? ms : 0;
}

static bool is_in(const struct fieldmap *fields, const char *thread)
{
    const char *in = field_get(fields, "threadId");
    return in && strcmp(in, text_printf("\"%s\"", thread)) == 0;
}

static void look_at_messages(const struct oracle *o, struct seen *thread)
{
    struct fieldmap fields;
    for (size_t i = 0; i < o->doc_count; i++)
        if (o->docs[i]->entity == AVJ_MESSAGE && doc_visible(o->docs[i], &fields) &&
            is_in(&fields, thread->doc->id)) {
            thread->messages++;
            if (time_of(&fields, "createdAt") > thread->last_ms)
                thread->last_ms = time_of(&fields, "createdAt");
        }
}

static bool stands_before(const struct seen *a, const struct seen *b)
{
    if (a->doc->entity == AVJ_THREAD) {
        if (a->pinned != b->pinned)
            return a->pinned;
        if (a->last_ms != b->last_ms)
            return a->last_ms > b->last_ms;
    } else if (a->created_ms != b->created_ms) {
        return a->created_ms < b->created_ms;
    }
    return strcmp(a->doc->id, b->doc->id) < 0;
}

/* thread NULL: all of the entity. */
static size_t must_see(const struct oracle *o, enum avj_entity entity, const char *thread,
                       struct seen *out)
{
    size_t count = 0;
    for (size_t i = 0; i < o->doc_count; i++) {
        struct seen s = {.doc = o->docs[i]};
        if (s.doc->entity != entity || !doc_visible(s.doc, &s.fields) ||
            (thread && !is_in(&s.fields, thread)))
            continue;
        const char *pinned = field_get(&s.fields, "isPinned");
        s.created_ms = time_of(&s.fields, "createdAt");
        if (entity == AVJ_THREAD) {
            s.pinned = pinned && strcmp(pinned, "true") == 0;
            s.last_ms = time_of(&s.fields, "lastMessageAt");
            look_at_messages(o, &s);
        }
        size_t at = count++;
        for (; at > 0 && stands_before(&s, &out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = s;
    }
    return count;
}

/* ---- one document ---- */

static bool check_doc(struct replica *r, const struct seen *want, const struct avj_doc *got)
{
    struct fieldmap fields = fields_unpack(got->fields);
    const struct doc *d = want->doc;
    const struct row *base = doc_base(d);
    const char *what = NULL;
    if (strcmp(got->id, d->id) != 0)
        what = text_printf("%s stands in the place of %s", got->id, d->id);
    else if (!fields_equal(&fields, &want->fields))
        what = text_printf("%s instead of %s", fields_text(&fields), fields_text(&want->fields));
    else if (got->pending != d->pending_count || got->parked != d->parked)
        what = text_printf("%u pending (parked %d) instead of %zu (%d)", got->pending,
                           (int)got->parked, d->pending_count, (int)d->parked);
    else if (!got->remote_id != !base || (base && strcmp(got->remote_id, base->row) != 0) ||
             (base && strcmp(got->version, time_text(base->version_ms)) != 0))
        what = text_printf("row %s at %s instead of %s at %s",
                           got->remote_id ? got->remote_id : "none",
                           got->version ? got->version : "none", base ? base->row : "none",
                           base ? time_text(base->version_ms) : "none");
    else if (d->entity == AVJ_THREAD &&
             (got->messages != want->messages || got->last_message_ms != want->last_ms))
        what =
            text_printf("%zu messages, the last at %lld, instead of %zu, at %lld", got->messages,
                        (long long)got->last_message_ms, want->messages, (long long)want->last_ms);
    else if (got->created_ms != want->created_ms)
        what = text_printf("createdAt %lld instead of %lld", (long long)got->created_ms,
                           (long long)want->created_ms);
    if (what)
        world_fail(r->world, "replica %d: %s %s: %s", number(r), kind_name(d->entity), d->id, what);
    return !what;
}

static bool check_list(struct replica *r, const struct seen *want, size_t wanted,
                       const struct avj_doc *got, size_t count, const char *what)
{
    if (count != wanted)
        world_fail(r->world, "replica %d: %s: %zu documents instead of %zu", number(r), what, count,
                   wanted);
    for (size_t i = 0; count == wanted && i < count; i++)
        if (!check_doc(r, &want[i], &got[i]))
            return false;
    return count == wanted;
}

/* ---- pages ---- */

typedef enum avj_status page_fn(struct avj_store *store, const char *thread,
                                const struct avj_page *page, const struct avj_doc **docs,
                                size_t *count, struct avj_error *err);

static enum avj_status thread_page(struct avj_store *store, const char *thread,
                                   const struct avj_page *page, const struct avj_doc **docs,
                                   size_t *count, struct avj_error *err)
{
    (void)thread;
    return avj_store_threads(store, page, docs, count, err);
}

/* One page around the middle, of every kind. */
static bool check_pages(struct replica *r, struct avj_store *store, page_fn *ask,
                        const char *thread, const struct seen *want, size_t wanted)
{
    for (unsigned kind = 0; kind < 16; kind++) {
        size_t first = kind & 1 && wanted ? wanted / 3 + 1 : 0;
        size_t end = kind & 2 && wanted ? wanted - wanted / 4 - 1 : wanted;
        struct avj_page page = {.after = kind & 1 && wanted ? want[first - 1].doc->id : NULL,
                                .before = kind & 2 && wanted ? want[end].doc->id : NULL,
                                .limit = kind & 4 ? 2 : 0,
                                .from_end = (kind & 8) != 0};
        if (first > end)
            continue;
        size_t begin = first, stop = end;
        if (page.limit && stop - begin > page.limit) {
            if (page.from_end)
                begin = stop - page.limit;
            else
                stop = begin + page.limit;
        }
        const struct avj_doc *docs;
        size_t count;
        struct avj_error err = {.status = AVJ_OK};
        if (!replica_expect(r, AVJ_OK, ask(store, thread, &page, &docs, &count, &err), &err,
                            "read a page") ||
            !check_list(r, want + begin, stop - begin, docs, count,
                        text_printf("page %u of %s", kind, thread ? thread : "the threads")))
            return false;
    }
    return true;
}

static bool check_thread(struct replica *r, struct avj_store *store, const char *thread,
                         struct seen *want)
{
    const struct avj_doc *docs;
    size_t count, wanted = must_see(&r->oracle, AVJ_MESSAGE, thread, want);
    struct avj_error err = {.status = AVJ_OK};
    const char *before = wanted ? want[wanted / 2].doc->id : NULL;
    size_t end = before ? wanted / 2 : wanted, begin = end > 3 ? end - 3 : 0;
    return check_pages(r, store, avj_store_page, thread, want, wanted) &&
           replica_expect(r, AVJ_OK,
                          avj_store_messages(store, thread, before, 3, &docs, &count, &err), &err,
                          "read messages") &&
           check_list(r, want + begin, end - begin, docs, count, "messages");
}

/* ---- a whole replica ---- */

static bool check_documents(struct replica *r, struct avj_store *store)
{
    static struct seen want[512], messages[512];
    struct avj_error err = {.status = AVJ_OK};
    for (int e = 0; e < AVJ_ENTITIES; e++) {
        const struct avj_doc *docs;
        enum avj_entity entity = (enum avj_entity)e;
        size_t count, wanted = must_see(&r->oracle, entity, NULL, want);
        enum avj_status status = avj_store_list(store, entity, &docs, &count, &err);
        if (!replica_expect(r, AVJ_OK, status, &err, "list") ||
            !check_list(r, want, wanted, docs, count, kind_name(entity)))
            return false;
        if (entity != AVJ_THREAD)
            continue;
        if (!check_pages(r, store, thread_page, NULL, want, wanted))
            return false;
        for (size_t i = 0; i < wanted; i++)
            if (!check_thread(r, store, want[i].doc->id, messages))
                return false;
    }
    return true;
}

static bool check_losses(struct replica *r, struct avj_store *store)
{
    const struct avj_conflict *got;
    size_t count;
    struct avj_error err = {.status = AVJ_OK};
    if (!replica_expect(r, AVJ_OK, avj_store_conflicts(store, &got, &count, &err), &err,
                        "list conflicts"))
        return false;
    for (size_t i = 0; i < count && i < r->oracle.loss_count; i++) {
        const struct loss *want = &r->oracle.losses[i];
        struct fieldmap fields = fields_unpack(got[i].fields);
        if (got[i].entity == want->entity && strcmp(got[i].id, want->id) == 0 &&
            got[i].lost_here == want->here && fields_equal(&fields, &want->fields))
            continue;
        world_fail(r->world, "replica %d: conflict of %s %s, lost %s: %s; instead of %s %s, %s: %s",
                   number(r), kind_name(got[i].entity), got[i].id,
                   got[i].lost_here ? "here" : "elsewhere", fields_text(&fields),
                   kind_name(want->entity), want->id, want->here ? "here" : "elsewhere",
                   fields_text(&want->fields));
        return false;
    }
    if (count != r->oracle.loss_count)
        world_fail(r->world, "replica %d: %zu conflicts instead of %zu; the last must be of %s",
                   number(r), count, r->oracle.loss_count,
                   r->oracle.loss_count
                       ? fields_text(&r->oracle.losses[r->oracle.loss_count - 1].fields)
                       : "nothing");
    return count == r->oracle.loss_count;
}

static void digest_bytes(const uint64_t sum[2], uint8_t out[16])
{
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)(sum[i / 8] >> (56 - 8 * (i % 8)));
}

static bool check_status(struct replica *r, struct avj_store *store)
{
    struct avj_store_status status;
    struct avj_error err = {.status = AVJ_OK};
    uint64_t pending = 0, parked = 0, sum[2];
    uint8_t digest[16];
    if (!replica_expect(r, AVJ_OK, avj_store_status(store, &status, &err), &err, "status"))
        return false;
    for (size_t i = 0; i < r->oracle.doc_count; i++) {
        pending += r->oracle.docs[i]->pending_count;
        parked += r->oracle.docs[i]->parked;
    }
    oracle_digest(&r->oracle, sum);
    digest_bytes(sum, digest);
    if (status.pending != pending || status.parked != parked)
        world_fail(r->world, "replica %d: %llu pending, %llu parked instead of %llu, %llu",
                   number(r), (unsigned long long)status.pending, (unsigned long long)status.parked,
                   (unsigned long long)pending, (unsigned long long)parked);
    else if (memcmp(digest, status.digest, 16) != 0)
        world_fail(r->world, "replica %d: the digest is not that of what is shared", number(r));
    return !r->world->failure[0];
}

static bool check_store(struct replica *r, struct avj_store *store)
{
    struct avj_error err = {.status = AVJ_OK};
    return replica_expect(r, AVJ_OK, avj_store_refresh(store, NULL, &err), &err, "refresh") &&
           check_documents(r, store) && check_losses(r, store) && check_status(r, store);
}

bool check_replica(struct replica *r)
{
    for (size_t i = 0; i < HANDLES; i++)
        if (r->store[i] && !check_store(r, r->store[i]))
            return false;
    return true;
}

/* What the program writes is nothing that the checker has to warn of. */
static bool is_wrong(const struct fsck_kind *kind)
{
    return kind->severity == FSCK_DAMAGED ||
           (kind->severity == FSCK_WARNING && kind->phase >= FSCK_DECODE);
}

static void see_finding(void *arg, const struct fsck_finding *finding)
{
    struct replica *r = arg;
    const struct fsck_kind *kind = fsck_kind(finding->code);
    if (is_wrong(kind))
        world_fail(r->world, "avchat-fsck tells of %s, %s: %s", kind->id, kind->title,
                   finding->detail);
}

static bool check_by_fsck(struct replica *r)
{
    struct fsck_options options = {.io = &r->io, .deep = true};
    struct fsck_sink sink = {.arg = r, .finding = see_finding};
    struct avj_error err = {0};
    if (fsck_run("j", &options, &sink, &err) & FSCK_FAILED)
        world_fail(r->world, "avchat-fsck: %s", err.message);
    return !r->world->failure[0];
}

bool check_replay(struct replica *r)
{
    for (unsigned i = 0; i < 3; i++) { /* with snapshots, twice without */
        struct avj_store_options options = {.journal = {.io = &r->io}, .no_snapshots = i > 0};
        struct avj_error err = {.status = AVJ_OK};
        struct avj_store *store;
        options.read_only = true;
        if (!replica_expect(r, AVJ_OK, avj_store_open("j", &options, &store, &err), &err,
                            "open the store anew"))
            return false;
        bool ok = check_store(r, store);
        avj_store_close(store);
        if (!ok)
            return false;
    }
    return check_by_fsck(r);
}

/* ---- all of them ---- */

bool check_agreement(struct world *w)
{
    uint64_t server[2], here[2];
    server_digest(w, server);
    for (size_t i = 0; i < w->options.replicas; i++) {
        oracle_digest(&w->replicas[i].oracle, here); /* which its store was compared with */
        if (memcmp(server, here, sizeof(here)) != 0)
            world_fail(w, "replica %zu at rest is not what the server has", i);
    }
    return !w->failure[0];
}

static bool holds(const struct fieldmap *fields, const struct token *t)
{
    const char *json = field_get(fields, t->field);
    return json && strcmp(json, t->json) == 0;
}

static bool is_somewhere(const struct world *w, const struct token *t)
{
    for (size_t i = 0; i < w->row_count; i++)
        if (holds(&w->rows[i].fields, t))
            return true;
    for (size_t i = 0; i < w->options.replicas; i++) {
        const struct oracle *o = &w->replicas[i].oracle;
        struct fieldmap fields;
        for (size_t d = 0; d < o->doc_count; d++)
            if (doc_visible(o->docs[d], &fields) && holds(&fields, t))
                return true;
        for (size_t l = 0; l < o->loss_count; l++)
            if (holds(&o->losses[l].fields, t))
                return true;
    }
    return false;
}

bool check_tokens(struct world *w)
{
    for (size_t i = 0; i < w->token_count; i++) {
        const struct token *t = &w->tokens[i];
        if (!t->overruled && !is_somewhere(w, t))
            world_fail(w, "%s of %s %s: %s is nowhere, and nobody who saw it replaced it", t->field,
                       kind_name(t->entity), t->id, t->json);
    }
    return !w->failure[0];
}
