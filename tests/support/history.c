/* Random histories: see history.h. */
#include "tests/support/history.h"
#include "tests/support/history_values.h"

#include "journal/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t below(struct history *h, uint64_t limit)
{
    return test_rng_below(&h->rng, limit);
}

static bool one_in(struct history *h, uint64_t n)
{
    return below(h, n) == 0;
}

/* ---- the documents ---- */

static const struct {
    enum avj_entity entity;
    const char *id; /* NULL: a long one */
} documents[HISTORY_DOCS] = {
    {AVJ_THREAD, "11111111-2222-4333-8444-555555555555"},
    {AVJ_THREAD, "thread_1795370972548_k3j2h1"},
    {AVJ_THREAD, "99999999-2222-4333-8444-555555555555"},
    {AVJ_MESSAGE, "aaaaaaaa-2222-4333-8444-000000000001"},
    {AVJ_MESSAGE, "aaaaaaaa-2222-4333-8444-000000000002"},
    {AVJ_MESSAGE, "AAAAAAAA-2222-4333-8444-000000000001"}, /* upper case: no UUID here */
    {AVJ_MESSAGE, "aaaaaaaa-2222-4333-8444-000000000001_branch_1795370972548_x1y2z3"},
    {AVJ_MESSAGE, "m"},
    {AVJ_MESSAGE, NULL},
    {AVJ_MESSAGE, "bbbbbbbb-2222-4333-8444-000000000003"},
    {AVJ_MESSAGE, "bbbbbbbb-2222-4333-8444-000000000004"},
    {AVJ_SUMMARY, "11111111-2222-4333-8444-555555555555"}, /* as a thread's */
    {AVJ_SUMMARY, "s1"},
    {AVJ_SUMMARY, "s2"},
    {AVJ_PROJECT, "p"},
    {AVJ_PROJECT, "cccccccc-2222-4333-8444-00000000000p"},
};

/* As view_private.h says that they are derived. */
static void derived_row(const char *user, const struct history_doc *doc, char out[48])
{
    char bytes[5200];
    const char *kind = avj_schema(doc->entity)->kind;
    size_t users = strlen(user) + 1, kinds = strlen(kind) + 1, ids = strlen(doc->id);
    uint8_t hash[16];
    memcpy(bytes, user, users);
    memcpy(bytes + users, kind, kinds);
    memcpy(bytes + users + kinds, doc->id, ids);
    avj_hash128(bytes, users + kinds + ids, hash);
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static const char *long_id(void)
{
    static char id[4097];
    memset(id, 'l', 4096);
    return id;
}

static void init_doc(struct history_doc *doc, size_t i)
{
    *doc = (struct history_doc){.entity = documents[i].entity};
    doc->id = documents[i].id ? documents[i].id : long_id();
    derived_row("u1", doc, doc->rows[0]);
    derived_row("u2", doc, doc->rows[1]);
    snprintf(doc->rows[2], sizeof(doc->rows[2]), "row-%zu", i);
    snprintf(doc->rows[3], sizeof(doc->rows[3]), "%036zu", i);
    snprintf(doc->rows[4], sizeof(doc->rows[4]), "longer-than-a-row-may-be-%017zu", i);
}

void history_init(struct history *h, uint64_t seed)
{
    static const unsigned shares[] = {0, 5, 40};
    memset(h, 0, sizeof(*h));
    test_rng_init(&h->rng, seed);
    h->hlc = (uint64_t)1795370400000u << 16;
    for (size_t i = 0; i < HISTORY_DOCS; i++)
        init_doc(&h->docs[i], i);
    h->odd = shares[below(h, 3)];
    h->broken = one_in(h, 3) ? 30 : 0;
    h->foreign = shares[below(h, 3)];
    for (size_t i = 0; i < HISTORY_DOCS; i++)
        if (below(h, 100) < h->foreign)
            h->docs[i].row = below(h, HISTORY_ROWS);
    h->remote = 10 + 30 * (unsigned)below(h, 3);
    h->users = one_in(h, 4) ? 2 : 1;
}

/* ---- parts of entries ---- */

static struct history_doc *any_doc(struct history *h)
{
    /* Some are met more often than others. */
    return &h->docs[one_in(h, 2) ? below(h, HISTORY_DOCS) : 3 * below(h, HISTORY_DOCS / 4)];
}

static bool is_odd(struct history *h)
{
    return below(h, 100) < h->odd;
}

/* Something that must be there is not. */
static bool is_broken(struct history *h)
{
    return below(h, 1000) < h->broken;
}

static const char *any_row(struct history *h, const struct history_doc *doc)
{
    if (!h->foreign || !one_in(h, 12))
        return doc->rows[doc->row];
    return doc->rows[below(h, HISTORY_ROWS)];
}

static void begin(struct history *h, enum avj_entry_type type, const struct history_doc *doc,
                  size_t pairs, struct avj_pack *out)
{
    h->hlc += one_in(h, 3) ? (uint64_t)7000 << 16 : 1;
    avj_entry_begin(out, type, h->hlc, one_in(h, 3) ? "0123456789abcdef" : NULL,
                    doc ? doc->entity : AVJ_ENTITIES, doc ? doc->id : NULL, pairs);
}

static void put_text(struct avj_pack *out, const char *key, const char *text)
{
    avj_pack_cstr(out, key);
    avj_pack_cstr(out, text);
}

static void put_int(struct avj_pack *out, const char *key, int64_t value)
{
    avj_pack_cstr(out, key);
    avj_pack_int(out, value);
}

/* Mostly up to all that there is. */
static uint64_t any_upto(struct history *h, const struct history_doc *doc)
{
    if (one_in(h, 4))
        return below(h, h->seq + 2);
    return doc->last_seq;
}

/* ---- local ---- */

static void write_all(struct history *h, struct history_doc *doc)
{
    for (size_t i = 0; i < history_field_count(doc->entity); i++)
        doc->values[i] = history_choose(h, doc->entity, i);
}

static void local_create(struct history *h, struct history_doc *doc, struct avj_pack *out)
{
    bool settles = h->conflict_count && one_in(h, 8);
    write_all(h, doc);
    begin(h, AVJ_E_LOCAL, doc, settles ? 3 : 2, out);
    put_text(out, "o", "create");
    if (settles)
        put_int(out, "c", (int64_t)h->conflicts[below(h, h->conflict_count)]);
    avj_pack_cstr(out, is_broken(h) ? "g" : "f");
    history_pack_fields(h, doc, doc->values, is_odd(h), out);
}

static void local_update(struct history *h, struct history_doc *doc, struct avj_pack *out)
{
    int choices[HISTORY_FIELDS] = {0};
    bool settles = h->conflict_count && one_in(h, 8);
    for (size_t i = 1; i < history_field_count(doc->entity); i++) {
        if (!one_in(h, 4))
            continue;
        choices[i] = one_in(h, 6) ? -1 : 1 + (int)below(h, 6);
        doc->values[i] = choices[i] < 0 ? 0 : choices[i];
    }
    begin(h, AVJ_E_LOCAL, doc, settles ? 3 : 2, out);
    if (settles)
        put_int(out, "c", (int64_t)h->conflicts[below(h, h->conflict_count)]);
    put_text(out, "o", is_broken(h) ? "upsert" : "update");
    avj_pack_cstr(out, "f");
    history_pack_fields(h, doc, choices, is_odd(h), out);
}

static void local(struct history *h, struct avj_pack *out)
{
    struct history_doc *doc = any_doc(h);
    uint64_t what = below(h, 10);
    if (what < 4) {
        local_create(h, doc, out);
    } else if (what < 8) {
        local_update(h, doc, out);
    } else {
        begin(h, AVJ_E_LOCAL, doc, 1, out);
        put_text(out, "o", "delete");
    }
    doc->last_seq = h->seq;
}

/* ---- what the server says ---- */

static void put_version(struct history *h, struct history_doc *doc, struct avj_pack *out)
{
    char text[HISTORY_TIME_TEXT];
    unsigned form = is_odd(h) ? (unsigned)below(h, HISTORY_TIME_FORMS) : 0;
    int64_t at = one_in(h, 4) ? (int64_t)below(h, (uint64_t)doc->version + 2) : ++doc->version;
    history_time(at, form, text);
    put_text(out, "v", text);
}

/* The row as it was written last, or another. */
static void put_row_fields(struct history *h, struct history_doc *doc, struct avj_pack *out)
{
    int choices[HISTORY_FIELDS];
    memcpy(choices, doc->values, sizeof(choices));
    for (size_t i = 0; i < history_field_count(doc->entity); i++) {
        if (choices[i] && one_in(h, 12))
            choices[i] = 0;
        else if (one_in(h, 12) || (doc->values[0] == 0 && i < 5))
            choices[i] = history_choose(h, doc->entity, i);
    }
    if (one_in(h, 2))
        memcpy(choices, doc->values, sizeof(choices));
    avj_pack_cstr(out, "f");
    history_pack_fields(h, doc, choices, is_odd(h), out);
}

static void put_kept(struct history *h, const struct history_doc *doc, struct avj_pack *out)
{
    const struct avj_entity_schema *schema = avj_schema(doc->entity);
    size_t n = one_in(h, 3) ? 1 + below(h, 3) : 0;
    avj_pack_cstr(out, "k");
    avj_pack_list(out, n);
    for (size_t i = 0; i < n; i++)
        avj_pack_cstr(out, one_in(h, 4) ? "alpha" : schema->fields[below(h, schema->count)].name);
}

static void ack(struct history *h, struct avj_pack *out)
{
    struct history_doc *doc = any_doc(h);
    bool deleted = one_in(h, 6), elided = one_in(h, 10), kept = !one_in(h, 3);
    bool broken = is_broken(h);
    begin(h, AVJ_E_ACK, doc, 3u + !deleted + kept + !broken, out);
    put_text(out, "r", any_row(h, doc));
    put_int(out, "x", elided ? 0 : 200);
    put_version(h, doc, out);
    if (kept)
        put_kept(h, doc, out);
    if (!deleted)
        put_row_fields(h, doc, out);
    if (!broken)
        put_int(out, "s", (int64_t)any_upto(h, doc));
}

static void remote(struct history *h, struct avj_pack *out)
{
    struct history_doc *doc = any_doc(h);
    bool deleted = one_in(h, 6), unversioned = is_odd(h) && one_in(h, 3);
    begin(h, AVJ_E_REMOTE, doc, 2u + !deleted + !unversioned, out);
    put_text(out, "b", "realtime");
    put_text(out, is_broken(h) ? "q" : "r", any_row(h, doc));
    if (!unversioned)
        put_version(h, doc, out);
    if (!deleted)
        put_row_fields(h, doc, out);
}

/* ---- the outbox ---- */

static void push(struct history *h, struct avj_pack *out)
{
    size_t n = below(h, 5);
    begin(h, AVJ_E_PUSH, NULL, 3, out);
    put_text(out, "a", "attempt");
    put_text(out, "v", "single");
    avj_pack_cstr(out, is_broken(h) ? "dd" : "d");
    avj_pack_list(out, n);
    for (size_t i = 0; i < n; i++) {
        const struct history_doc *doc = any_doc(h);
        avj_pack_list(out, 5);
        avj_pack_cstr(out, one_in(h, 20) ? "note" : avj_schema(doc->entity)->kind);
        avj_pack_cstr(out, doc->id);
        avj_pack_cstr(out, doc->rows[0]);
        avj_pack_int(out, (int64_t)any_upto(h, doc));
        avj_pack_cstr(out, "create");
    }
}

static void reject(struct history *h, struct avj_pack *out)
{
    const struct history_doc *doc = any_doc(h);
    begin(h, AVJ_E_REJECT, doc, 4, out);
    put_int(out, is_broken(h) ? "ss" : "s", (int64_t)any_upto(h, doc));
    put_int(out, "x", 400 + (int64_t)below(h, 5));
    put_text(out, "y", one_in(h, 3) ? NULL : "document_invalid_structure");
    put_text(out, "m", "Unknown attribute");
}

static void retry_or_drop(struct history *h, struct avj_pack *out)
{
    const struct history_doc *doc = any_doc(h);
    begin(h, one_in(h, 2) ? AVJ_E_RETRY : AVJ_E_DROP, doc, 1, out);
    put_int(out, is_broken(h) ? "ss" : "s", (int64_t)any_upto(h, doc));
}

/* ---- everything else ---- */

static void conflict(struct history *h, struct avj_pack *out)
{
    const struct history_doc *doc = any_doc(h);
    bool dismiss = h->conflict_count && one_in(h, 3);
    begin(h, AVJ_E_CONFLICT, doc, 2, out);
    put_text(out, "o", dismiss ? "dismiss" : "found");
    put_int(out, "s",
            dismiss ? (int64_t)h->conflicts[below(h, h->conflict_count)] : (int64_t)doc->last_seq);
    if (!dismiss)
        h->conflicts[h->conflict_count < 8 ? h->conflict_count++ : below(h, 8)] = h->seq;
}

static void gap(struct history *h, struct avj_pack *out)
{
    bool opens = one_in(h, 2);
    begin(h, AVJ_E_GAP, NULL, opens ? 1 : 2, out);
    put_text(out, "o", opens ? "open" : "close");
    if (!opens)
        put_text(out, "w", "2026-11-22T18:00:00.000+00:00");
}

static void init_session(struct history *h, struct avj_pack *out)
{
    begin(h, AVJ_E_SESSION, NULL, 4, out);
    put_text(out, "o", "init");
    put_text(out, "endpoint", one_in(h, 2) ? "https://one/v1" : NULL);
    put_text(out, "project", "p");
    avj_pack_cstr(out, "collections");
    avj_pack_map(out, 1);
    put_text(out, "message", "messages2");
}

static void session(struct history *h, struct avj_pack *out)
{
    static const char *const ops[] = {"open", "logout", "claim"};
    const struct history_doc *doc = any_doc(h);
    const struct avj_entity_schema *schema = avj_schema(doc->entity);
    switch (below(h, 5)) {
    case 0:
        init_session(h, out);
        return;
    case 1:
    case 2:
        begin(h, AVJ_E_SESSION, NULL, 2, out);
        put_text(out, "o", "login");
        put_text(out, "u", below(h, h->users) ? "u2" : "u1");
        return;
    case 3:
        begin(h, AVJ_E_SESSION, NULL, 4, out);
        put_text(out, "o", "schema");
        put_text(out, "kind", schema->kind);
        put_text(out, "field", schema->fields[below(h, schema->count)].name);
        put_text(out, "what", one_in(h, 3) ? "there" : "missing");
        return;
    default:
        begin(h, AVJ_E_SESSION, NULL, 1, out);
        put_text(out, "o", ops[below(h, 3)]);
    }
}

static void stranger(struct history *h, struct avj_pack *out)
{
    switch (below(h, 3)) {
    case 0:
        begin(h, AVJ_E_SERVER, NULL, 1, out);
        put_text(out, "k", "users");
        return;
    case 1: /* of a type that this program does not know */
        avj_pack_map(out, 2);
        put_text(out, "t", "telepathy");
        put_int(out, "h", (int64_t)++h->hlc);
        return;
    default: /* of a kind that it does not know */
        avj_pack_map(out, 4);
        put_text(out, "t", "local");
        put_int(out, "h", (int64_t)++h->hlc);
        put_text(out, "e", "note");
        put_text(out, "i", "n");
    }
}

static void one_entry(struct history *h, struct avj_pack *out)
{
    static void (*const few[])(struct history *, struct avj_pack *) = {
        push,          push,     push,     reject, reject,  retry_or_drop,
        retry_or_drop, conflict, conflict, gap,    session, stranger};
    uint64_t what = below(h, 100);
    if (h->seq <= 2) {
        begin(h, AVJ_E_SESSION, NULL, 2, out);
        put_text(out, "o", "login");
        put_text(out, "u", "u1");
    } else if (what < h->remote / 2) {
        ack(h, out);
    } else if (what < h->remote) {
        remote(h, out);
    } else if (one_in(h, 3)) {
        few[below(h, sizeof(few) / sizeof(few[0]))](h, out);
    } else {
        local(h, out);
    }
}

void history_next(struct history *h, struct avj_pack *entry)
{
    avj_pack_reset(entry);
    h->seq++;
    if (!is_odd(h)) {
        one_entry(h, entry);
    } else {
        struct avj_pack plain = {0};
        one_entry(h, &plain);
        history_loosen(&h->rng, plain.data, plain.len, entry);
        avj_pack_release(&plain);
    }
    if (entry->failed)
        abort();
}

/* ---- many ---- */

void history_message(unsigned number, bool remote, struct avj_pack *entry)
{
    const char *threads[] = {documents[0].id, documents[1].id, "of-its-own"};
    char id[300];
    if (number % 7)
        snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012x", number, number);
    else
        snprintf(id, sizeof(id), "message_%0*u", 8 + (int)(number % 250), number);
    avj_pack_reset(entry);
    avj_entry_begin(entry, remote ? AVJ_E_REMOTE : AVJ_E_LOCAL, number, NULL, AVJ_MESSAGE, id,
                    remote ? 3 : 2);
    put_text(entry, remote ? "r" : "o", remote ? id + 1 : "create");
    if (remote)
        put_text(entry, "v", "2026-11-22T18:00:00.000+00:00");
    avj_pack_cstr(entry, "f");
    avj_pack_map(entry, 3);
    put_text(entry, "id", id);
    put_text(entry, "threadId", threads[number % 3]);
    put_text(entry, "content", id);
    if (entry->failed)
        abort();
}

/* ---- wider headers ---- */

struct loosening {
    struct test_rng *rng;
    const uint8_t *at;
    struct avj_pack *out;
};

static void put_header(struct loosening *l, uint8_t tag, uint64_t value, int bytes)
{
    uint8_t header[9] = {tag};
    for (int i = 0; i < bytes; i++)
        header[1 + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    avj_pack_raw(l->out, header, (size_t)bytes + 1);
}

static void copy(struct loosening *l, size_t n)
{
    avj_pack_raw(l->out, l->at, n);
    l->at += n;
}

/* What this test's own entries are made of: fix forms, str 8 and 16, ints, nil, bools, doubles,
 * bin 8.  A wider form of the header at hand, if it has one. */
static bool widen(struct loosening *l, size_t *items, size_t *bytes)
{
    uint8_t tag = *l->at;
    bool wide = test_rng_below(l->rng, 4) == 0;
    *items = *bytes = 0;
    if (tag >= 0xa0 && tag <= 0xbf)
        *bytes = tag & 31;
    else if (tag >= 0x80 && tag <= 0x8f)
        *items = 2 * (size_t)(tag & 15);
    else if (tag >= 0x90 && tag <= 0x9f)
        *items = tag & 15;
    else if (tag <= 0x7f && wide) {
        l->at++;
        put_header(l, (uint8_t)(0xcc + (tag & 3)), tag, 1 << (tag & 3));
        return true;
    } else {
        return false;
    }
    if (!wide) {
        copy(l, 1);
        return true;
    }
    l->at++;
    unsigned width = 1 + (unsigned)test_rng_below(l->rng, 2); /* 16 or 32 bits */
    if (tag >= 0xa0)
        put_header(l, (uint8_t)(0xd9 + width), *bytes, 1 << width);
    else if (tag >= 0x90)
        put_header(l, (uint8_t)(0xdb + width), *items, 1 << width);
    else
        put_header(l, (uint8_t)(0xdd + width), *items / 2, 1 << width);
    return true;
}

static void loosen_value(struct loosening *l)
{
    size_t items, bytes;
    uint8_t tag = *l->at;
    if (widen(l, &items, &bytes)) {
        copy(l, bytes);
        for (size_t i = 0; i < items; i++)
            loosen_value(l);
    } else if (tag == 0xd9 || tag == 0xc4) {
        copy(l, 2 + (size_t)l->at[1]);
    } else if (tag == 0xda) {
        copy(l, 3 + ((size_t)l->at[1] << 8 | l->at[2]));
    } else if (tag == 0xdc) {
        size_t n = (size_t)l->at[1] << 8 | l->at[2];
        copy(l, 3);
        for (size_t i = 0; i < n; i++)
            loosen_value(l);
    } else if (tag >= 0xcc && tag <= 0xd3) {
        copy(l, 1 + ((size_t)1 << (tag & 3)));
    } else if (tag == 0xcb) {
        copy(l, 9);
    } else if (tag == 0xde) {
        size_t n = 2 * ((size_t)l->at[1] << 8 | l->at[2]);
        copy(l, 3);
        for (size_t i = 0; i < n; i++)
            loosen_value(l);
    } else {
        copy(l, 1);
    }
}

void history_loosen(struct test_rng *rng, const void *data, size_t len, struct avj_pack *out)
{
    struct loosening l = {rng, data, out};
    loosen_value(&l);
    if (l.at != (const uint8_t *)data + len)
        abort();
}
