/* Sessions: see fsck_audit_sessions.h. */
#include "fsck/fsck_audit_sessions.h"

#include "fsck/fsck_audit_sums.h"
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS (2 * FSCK_SESSIONS_MAX)

struct fsck_sessions {
    struct fsck_audit_session *list;
    size_t count, cap;
    uint64_t left_out;               /* entries of sessions that are not kept */
    uint32_t *buckets;               /* index + 1 */
    size_t last;                     /* of the entry met last */
    struct fsck_audit_session other; /* stands for those that are not kept */
    struct fsck_audit_fact *facts;
    size_t fact_count, fact_cap;
    uint64_t facts_left_out;
};

struct fsck_sessions *fsck_sessions_new(void)
{
    struct fsck_sessions *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->other.id = "";
    s->last = SIZE_MAX;
    s->buckets = calloc(BUCKETS, sizeof(*s->buckets));
    if (s->buckets)
        return s;
    free(s);
    return NULL;
}

static char *own(const char *text)
{
    return (char *)(uintptr_t)text;
}

void fsck_sessions_free(struct fsck_sessions *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(own(s->list[i].id));
        free(s->list[i].device);
        free(s->list[i].program);
    }
    for (size_t i = 0; i < s->fact_count; i++)
        free(s->facts[i].text);
    free(s->list);
    free(s->buckets);
    free(s->facts);
    free(s);
}

static bool same(const struct fsck_audit_session *session, struct avj_slice id)
{
    return strlen(session->id) == id.len && (!id.len || !memcmp(session->id, id.data, id.len));
}

static struct fsck_audit_session *last_of(struct fsck_sessions *s)
{
    return s->last == SIZE_MAX ? &s->other : &s->list[s->last];
}

const char *fsck_sessions_last(const struct fsck_sessions *s)
{
    return s->last == SIZE_MAX ? "" : s->list[s->last].id;
}

static enum avj_status find(struct fsck_sessions *s, struct avj_slice id)
{
    size_t i = (size_t)avj_hash64(id.data ? id.data : "", id.len) % BUCKETS;
    while (s->buckets[i] && !same(&s->list[s->buckets[i] - 1], id))
        i = (i + 1) % BUCKETS;
    s->last = s->buckets[i] ? s->buckets[i] - 1 : SIZE_MAX;
    if (s->buckets[i] || s->count == FSCK_SESSIONS_MAX)
        return AVJ_OK;
    char *copy = id.data ? fsck_copy(id, SIZE_MAX) : strdup("");
    if (!copy || !fsck_room(&s->list, s->count, &s->cap, sizeof(*s->list))) {
        free(copy);
        return AVJ_ENOMEM;
    }
    s->list[s->count] = (struct fsck_audit_session){.id = copy};
    s->last = s->count++;
    s->buckets[i] = (uint32_t)s->count;
    return AVJ_OK;
}

enum avj_status fsck_sessions_meet(struct fsck_sessions *s, uint64_t seq, const struct fsck_told *t)
{
    /* Entries of one session come in runs. */
    if (s->last == SIZE_MAX || !same(&s->list[s->last], t->session)) {
        enum avj_status status = find(s, t->session);
        if (status != AVJ_OK)
            return status;
    }
    struct fsck_audit_session *session = last_of(s);
    s->left_out += session == &s->other && s->other.last_seq == 0;
    if (!session->first_seq) {
        session->first_seq = seq;
        session->first_ms = t->at_ms;
    }
    session->last_seq = seq;
    if (t->at_ms > session->last_ms)
        session->last_ms = t->at_ms;
    session->entries++;
    session->changes += t->type == AVJ_E_LOCAL;
    return AVJ_OK;
}

/* ---- what session entries say ---- */

int64_t fsck_field_int(struct avj_fields fields, const char *name)
{
    struct avj_raw raw = fsck_raw_of(fields);
    struct avj_slice key;
    int64_t value;
    size_t pairs;
    if (!fields.len || !avj_raw_map(&raw, &pairs))
        return 0;
    for (size_t i = 0; i < pairs && avj_raw_text(&raw, &key); i++) {
        if (key.len == strlen(name) && !memcmp(key.data, name, key.len))
            return avj_raw_int(&raw, &value) && value > 0 ? value : 0;
        if (!avj_raw_skip(&raw, 1))
            break;
    }
    return 0;
}

static void keep_text(char **to, struct avj_slice text)
{
    if (*to || !text.len)
        return;
    *to = fsck_copy(text, 120);
}

/* "login: u anna, email anna@example.org" */
static char *fact_text(const struct fsck_told *t)
{
    char text[256];
    struct avj_raw raw = {t->begin, t->end};
    struct avj_slice key, value, op = fsck_told_text(t, 'o');
    int64_t number;
    size_t pairs;
    int n = snprintf(text, sizeof(text), "%.*s", (int)(op.len < 24 ? op.len : 24),
                     op.data ? (const char *)op.data : "");
    size_t used = n > 0 ? (size_t)n : 0, first = used;
    if (!avj_raw_map(&raw, &pairs))
        return strdup(text);
    for (size_t i = 0; i < pairs && used + 110 < sizeof(text) && avj_raw_text(&raw, &key); i++) {
        bool known = key.len == 1 && strchr("tpho", *(const char *)key.data);
        struct avj_raw at = raw;
        const char *comma = used == first ? ": " : ", ";
        n = 0;
        if (!known && avj_raw_text(&at, &value))
            n = snprintf(text + used, sizeof(text) - used, "%s%.*s %.*s", comma,
                         (int)(key.len < 24 ? key.len : 24), (const char *)key.data,
                         (int)(value.len < 60 ? value.len : 60), (const char *)value.data);
        else if (!known && avj_raw_int(&at, &number))
            n = snprintf(text + used, sizeof(text) - used, "%s%.*s %lld", comma,
                         (int)(key.len < 24 ? key.len : 24), (const char *)key.data,
                         (long long)number);
        used += n > 0 ? (size_t)n : 0;
        if (!avj_raw_skip(&raw, 1))
            break;
    }
    return strdup(text);
}

enum avj_status fsck_sessions_fact(struct fsck_sessions *s, uint64_t seq, const struct fsck_told *t)
{
    struct avj_fields all = fsck_told_all(t);
    struct fsck_audit_session *session = last_of(s);
    bool opens = fsck_told_is(t, 'o', "open");
    if (opens && session != &s->other) {
        keep_text(&session->device, fsck_field_text(all, "device"));
        keep_text(&session->device, fsck_field_text(all, "host"));
        keep_text(&session->program, fsck_field_text(all, "program"));
    }
    if (opens || fsck_told_is(t, 'o', "close"))
        return AVJ_OK; /* told by the session's span */
    if (s->fact_count == FSCK_FACTS_MAX) {
        s->facts_left_out++;
        return AVJ_OK;
    }
    char *text = fact_text(t);
    if (!text || !fsck_room(&s->facts, s->fact_count, &s->fact_cap, sizeof(*s->facts))) {
        free(text);
        return AVJ_ENOMEM;
    }
    s->facts[s->fact_count++] =
        (struct fsck_audit_fact){seq, t->at_ms, fsck_sessions_last(s), text};
    return AVJ_OK;
}

/* Those that are over by then go behind the others. */
void fsck_sessions_end(struct fsck_sessions *s, int64_t since_ms, struct fsck_audit_summary *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct fsck_audit_session session = s->list[i];
        if (session.last_ms < since_ms)
            continue;
        s->list[i] = s->list[kept];
        s->list[kept++] = session;
    }
    a->sessions = s->list;
    a->session_count = kept;
    a->sessions_left_out = s->left_out;
    a->facts = s->facts;
    a->fact_count = s->fact_count;
    a->facts_left_out = s->facts_left_out;
}
