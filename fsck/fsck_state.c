/* What a check with a time limit leaves for the next one: see fsck_state.h. */
#include "fsck/fsck_state.h"

#include "journal/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "AVJFSCK1", the XXH3-64 of what follows, and that: one msgpack map. */
#define MAGIC     "AVJFSCK1"
#define MAGIC_LEN ((size_t)8)
#define HEAD      (MAGIC_LEN + 8)
#define STATE_MAX ((size_t)16 * 1024 * 1024)

/* Numbers of struct fsck_summary that are kept, under these keys. */
#define COUNTS(X)                                                                                  \
    X(frames)                                                                                      \
    X(records)                                                                                     \
    X(bytes) X(first_seq) X(last_seq) X(lost_records) X(unsynced_tail_bytes) X(set_aside_bytes)

static bool view_name(const struct fsck_state *s, char out[FSCK_PATH_MAX])
{
    int len = snprintf(out, FSCK_PATH_MAX, "%s.view", s->file);
    return len > 0 && len < FSCK_PATH_MAX;
}

/* What the segments in front of the mark are: another hash, other files. */
static uint64_t segments_hash(const struct fsck_capture *c, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        const struct fsck_segment *s = &c->segments[i];
        uint8_t bytes[8 + 8 + 8 + 16];
        avj_put_le64(bytes, hash);
        avj_put_le64(bytes + 8, s->number);
        avj_put_le64(bytes + 16, s->size);
        memcpy(bytes + 24, s->header.salt, 16);
        hash = avj_hash64(bytes, sizeof(bytes));
    }
    return hash;
}

/* ---- saving ---- */

static void pack_number(struct avj_pack *p, const char *key, uint64_t value)
{
    avj_pack_cstr(p, key);
    avj_pack_int(p, (int64_t)value);
}

static bool is_of_segments(const struct fsck_finding *f)
{
    return f->segment != 0;
}

static void pack_findings(struct avj_pack *p, const struct fsck_findings *findings)
{
    size_t count = 0;
    for (size_t i = 0; i < findings->count; i++)
        count += is_of_segments(findings->items[i]);
    avj_pack_cstr(p, "findings");
    avj_pack_list(p, count);
    for (size_t i = 0; i < findings->count; i++) {
        const struct fsck_finding *f = findings->items[i];
        if (!is_of_segments(f))
            continue;
        avj_pack_list(p, 8);
        avj_pack_cstr(p, fsck_kind(f->code)->id);
        avj_pack_int(p, (int64_t)f->segment);
        avj_pack_int(p, (int64_t)f->offset);
        avj_pack_int(p, (int64_t)f->length);
        avj_pack_int(p, (int64_t)f->first_seq);
        avj_pack_int(p, (int64_t)f->last_seq);
        avj_pack_int(p, (int64_t)f->count);
        avj_pack_cstr(p, f->detail);
    }
}

static void pack_state(const struct fsck_state *s, struct avj_pack *p)
{
    uint64_t unknown;
    const char *names = fsck_fold_unknown(s->fold, &unknown);
    avj_pack_map(p, 8 + 8 + 3);
    avj_pack_cstr(p, "journal");
    avj_pack_bytes(p, s->capture->journal_id, 16);
    avj_pack_cstr(p, "deep");
    avj_pack_bool(p, s->deep);
    pack_number(p, "segments", s->mark->segments);
    pack_number(p, "hash", segments_hash(s->capture, s->mark->segments));
    pack_number(p, "expected", s->mark->expected);
    avj_pack_cstr(p, "witness_met");
    avj_pack_bool(p, s->mark->witness_met);
    pack_number(p, "folded_to", fsck_fold_last(s->fold));
    avj_pack_cstr(p, "view_digest");
    uint8_t digest[16];
    fsck_fold_digest(s->fold, digest);
    avj_pack_bytes(p, digest, sizeof(digest));
#define X(name) pack_number(p, #name, s->summary->name);
    COUNTS(X)
#undef X
    pack_number(p, "unknown", unknown);
    avj_pack_cstr(p, "unknown_names");
    avj_pack_cstr(p, names);
    pack_findings(p, s->findings);
}

/* A new file under a temporary name, filled by put(), and then under its own. */
static enum avj_status replace(const struct fsck_state *s, const char *name,
                               enum avj_status (*put)(const struct fsck_state *s, int file,
                                                      struct avj_error *err),
                               struct avj_error *err)
{
    char beside[FSCK_PATH_MAX];
    int len = snprintf(beside, sizeof(beside), "%s.new", name);
    if (len <= 0 || len >= (int)sizeof(beside))
        return avj_fail(err, AVJ_EINVAL, "%s: too long a name", name);
    (void)s->io->unlink(s->io->ctx, beside);
    int file = s->io->open(s->io->ctx, beside, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", beside);
    enum avj_status status = put(s, file, err);
    (void)s->io->close(s->io->ctx, file);
    int e = status == AVJ_OK ? s->io->rename(s->io->ctx, beside, name) : 0;
    if (e < 0)
        status = avj_fail_errno(err, -e, "%s", name);
    if (status != AVJ_OK)
        (void)s->io->unlink(s->io->ctx, beside);
    return status;
}

static enum avj_status put_view(const struct fsck_state *s, int file, struct avj_error *err)
{
    return fsck_fold_save(s->fold, s->io, file, err);
}

static enum avj_status put_state(const struct fsck_state *s, int file, struct avj_error *err)
{
    struct avj_pack p = {0};
    size_t done;
    avj_pack_raw(&p, MAGIC "12345678", HEAD);
    pack_state(s, &p);
    if (p.failed) {
        avj_pack_release(&p);
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    }
    avj_put_le64(p.data + MAGIC_LEN, avj_hash64(p.data + HEAD, p.len - HEAD));
    int e = avj_io_write_full(s->io, file, p.data, p.len, 0, &done);
    if (e == 0)
        e = avj_io_sync(s->io, file);
    avj_pack_release(&p);
    return e ? avj_fail_errno(err, -e, "%s", s->file) : AVJ_OK;
}

enum avj_status fsck_state_save(const struct fsck_state *s, struct avj_error *err)
{
    char view[FSCK_PATH_MAX];
    if (!view_name(s, view))
        return avj_fail(err, AVJ_EINVAL, "%s: too long a name", s->file);
    /* An old state does not fit a new view, which its digest shows. */
    enum avj_status status = replace(s, view, put_view, err);
    return status == AVJ_OK ? replace(s, s->file, put_state, err) : status;
}

void fsck_state_remove(const struct avj_io *io, const char *file)
{
    char view[FSCK_PATH_MAX];
    struct fsck_state s = {.file = file};
    (void)io->unlink(io->ctx, file);
    if (view_name(&s, view))
        (void)io->unlink(io->ctx, view);
}

/* ---- loading ---- */

static uint64_t number(struct avj_value map, const char *key)
{
    int64_t value = avj_value_get_int(map, key, 0);
    return value > 0 ? (uint64_t)value : 0;
}

/* The file's bytes; NULL: there is none, or none that is whole.  *missing tells which. */
static uint8_t *read_file(const struct fsck_state *s, size_t *len, bool *missing)
{
    int file = s->io->open(s->io->ctx, s->file, AVJ_OPEN_READ);
    *missing = file == -ENOENT;
    if (file < 0)
        return NULL;
    int64_t size = s->io->size(s->io->ctx, file);
    bool sane = size >= (int64_t)HEAD && size <= (int64_t)STATE_MAX;
    uint8_t *bytes = sane ? malloc((size_t)size) : NULL;
    bool good = bytes && avj_io_read_full(s->io, file, bytes, (size_t)size, 0, len) == 0 &&
                *len == (size_t)size && memcmp(bytes, MAGIC, MAGIC_LEN) == 0 &&
                avj_get_le64(bytes + MAGIC_LEN) == avj_hash64(bytes + HEAD, (size_t)size - HEAD);
    (void)s->io->close(s->io->ctx, file);
    if (good)
        return bytes;
    free(bytes);
    return NULL;
}

/* NULL: it fits; else why it does not. */
static const char *misfit(const struct fsck_state *s, struct avj_value root)
{
    struct avj_value id;
    uint64_t segments = number(root, "segments");
    if (!avj_value_get(root, "journal", &id) || id.kind != AVJ_BYTES || id.len != 16 ||
        memcmp(id.text, s->capture->journal_id, 16) != 0)
        return "it is of another journal";
    if (avj_value_get_bool(root, "deep", false) != s->deep)
        return "it is of a check with other options";
    if (segments == 0 || segments >= s->capture->count ||
        (uint64_t)avj_value_get_int(root, "hash", 0) != segments_hash(s->capture, (size_t)segments))
        return "the journal's files are others now";
    return NULL;
}

static bool code_of(struct avj_value id, enum fsck_code *code)
{
    for (int c = 0; c < FSCK_CODES; c++) {
        *code = (enum fsck_code)c;
        if (avj_value_text_is(id, fsck_kind(*code)->id))
            return true;
    }
    return false;
}

static void take_finding(struct fsck_findings *findings, struct avj_value item)
{
    enum fsck_code code;
    if (item.kind != AVJ_LIST || item.len != 8 || !code_of(avj_value_item(item, 0), &code))
        return;
    struct fsck_finding *f = fsck_findings_add(findings, code);
    struct avj_value detail = avj_value_item(item, 7);
    if (!f)
        return;
    f->segment = (uint64_t)avj_value_item(item, 1).integer;
    f->offset = (uint64_t)avj_value_item(item, 2).integer;
    f->length = (uint64_t)avj_value_item(item, 3).integer;
    f->first_seq = (uint64_t)avj_value_item(item, 4).integer;
    f->last_seq = (uint64_t)avj_value_item(item, 5).integer;
    f->count = (uint64_t)avj_value_item(item, 6).integer;
    if (detail.kind == AVJ_TEXT)
        fsck_detail(f, "%.*s", (int)detail.len, detail.text);
}

static void take_state(struct fsck_state *s, struct avj_value root)
{
    struct avj_value list;
    s->mark->segments = (size_t)number(root, "segments");
    s->mark->expected = number(root, "expected");
    s->mark->witness_met = avj_value_get_bool(root, "witness_met", false);
#define X(name) s->summary->name = number(root, #name);
    COUNTS(X)
#undef X
    if (avj_value_get(root, "findings", &list) && list.kind == AVJ_LIST)
        for (size_t i = 0; i < list.len; i++)
            take_finding(s->findings, avj_value_item(list, i));
}

static enum avj_status take_view(struct fsck_state *s, struct avj_value root)
{
    char view[FSCK_PATH_MAX];
    struct avj_value digest;
    if (!view_name(s, view) || !avj_value_get(root, "view_digest", &digest) ||
        digest.kind != AVJ_BYTES || digest.len != 16)
        return AVJ_ENOTFOUND;
    int file = s->io->open(s->io->ctx, view, AVJ_OPEN_READ);
    if (file < 0)
        return AVJ_ENOTFOUND;
    const struct fsck_fold_start start = {
        .io = s->io,
        .file = file,
        .segments = (size_t)number(root, "segments"),
        .seq = number(root, "folded_to"),
        .digest = (const uint8_t *)digest.text,
        .unknown = number(root, "unknown"),
        .unknown_names = avj_value_get_text(root, "unknown_names"),
    };
    enum avj_status status = fsck_fold_load(s->fold, &start);
    (void)s->io->close(s->io->ctx, file);
    return status;
}

enum avj_status fsck_state_load(struct fsck_state *s, char why[256])
{
    size_t len = 0;
    bool missing;
    struct avj_tree *tree;
    uint8_t *bytes = read_file(s, &len, &missing);
    why[0] = 0;
    if (!bytes) {
        if (!missing)
            snprintf(why, 256, "%.180s is no state of a check: beginning anew", s->file);
        return AVJ_ENOTFOUND;
    }
    enum avj_status status = avj_tree_parse(bytes + HEAD, len - HEAD, &tree);
    if (status == AVJ_OK) {
        struct avj_value root = avj_tree_root(tree);
        const char *other = misfit(s, root);
        status = other ? AVJ_ENOTFOUND : take_view(s, root);
        if (status == AVJ_OK)
            take_state(s, root);
        else if (status == AVJ_ENOTFOUND)
            snprintf(why, 256, "%.180s: %s: beginning anew", s->file,
                     other ? other : "the view beside it does not fit");
        avj_tree_free(tree);
    }
    free(bytes);
    if (status == AVJ_OK)
        snprintf(why, 256, "going on behind record %llu, where the last check stopped",
                 (unsigned long long)s->summary->last_seq);
    return status == AVJ_EFORMAT ? AVJ_ENOTFOUND : status;
}
