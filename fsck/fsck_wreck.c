/* What is left of a journal's files: see fsck_wreck.h. */
#include "fsck/fsck_wreck.h"

#include "fsck/fsck_wreck_dictionary.h"
#include "fsck/fsck_wreck_frames.h"
#include "journal/mend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t *fsck_wreck_salt(const struct avj_segment_header *header)
{
    return header->sealed ? header->from.salt : header->salt;
}

static void path_of(const struct fsck_wreck *w, const struct fsck_wreck_file *file,
                    char out[FSCK_PATH_MAX])
{
    snprintf(out, FSCK_PATH_MAX, "%s/%s", w->path, file->name);
}

/* ---- listing ---- */

struct listing {
    struct fsck_wreck *wreck;
    const char *folder;
    bool all; /* else only what looks like a segment */
    bool failed;
};

static uint64_t number_of(const char *name)
{
    unsigned long long number;
    char again[24];
    if (strlen(name) != 20 || sscanf(name, "%16llx", &number) != 1)
        return 0;
    snprintf(again, sizeof(again), "%016llx.seg", number);
    return strcmp(again, name) == 0 ? number : 0;
}

static void add_file(struct listing *l, const char *name, uint64_t place)
{
    struct fsck_wreck *w = l->wreck;
    struct fsck_wreck_file *files = realloc(w->files, (w->count + 1) * sizeof(*files));
    if (!files) {
        l->failed = true;
        return;
    }
    w->files = files;
    memset(&files[w->count], 0, sizeof(*files));
    snprintf(files[w->count].name, FSCK_WRECK_NAME, "%s%s%s", l->folder, *l->folder ? "/" : "",
             name);
    files[w->count++].place = place;
}

static int list_file(void *arg, const char *name)
{
    struct listing *l = arg;
    if (strlen(l->folder) + strlen(name) + 2 > FSCK_WRECK_NAME)
        return 0;
    if (l->all)
        add_file(l, name, strcmp(l->folder, FSCK_SEGMENTS) == 0 ? number_of(name) : 0);
    else if (strcmp(name, "seal.tmp") == 0)
        add_file(l, name, 0);
    return l->failed ? -ENOMEM : 0;
}

static int list_aside(void *arg, const char *name)
{
    struct listing *l = arg;
    char folder[64], full[FSCK_PATH_MAX];
    if (strspn(name, "0123456789") != strlen(name) || strlen(name) > 10)
        return 0;
    snprintf(folder, sizeof(folder), FSCK_ASIDE "/%s", name);
    snprintf(full, sizeof(full), "%s/%s", l->wreck->path, folder);
    struct listing inner = {.wreck = l->wreck, .folder = folder, .all = true};
    const struct avj_io *io = l->wreck->io;
    int r = io->list(io->ctx, full, list_file, &inner);
    l->failed = inner.failed;
    return r == -ENOTDIR || r == -ENOENT ? 0 : r;
}

static int list_folder(struct fsck_wreck *w, const char *name, bool all,
                       int (*each)(void *arg, const char *name))
{
    struct listing l = {.wreck = w, .folder = name, .all = all};
    char full[FSCK_PATH_MAX];
    snprintf(full, sizeof(full), "%s%s%s", w->path, *name ? "/" : "", name);
    return w->io->list(w->io->ctx, full, each, &l);
}

/* ---- headers ---- */

static enum avj_status size_of(const struct fsck_wreck *w, struct fsck_wreck_file *file,
                               const char *path, struct avj_error *err)
{
    int fd = w->io->open(w->io->ctx, path, AVJ_OPEN_READ);
    int64_t size = fd < 0 ? fd : w->io->size(w->io->ctx, fd);
    if (fd >= 0)
        (void)w->io->close(w->io->ctx, fd);
    if (size < 0)
        return avj_fail_errno(err, (int)-size, "%s", path);
    file->size = (uint64_t)size;
    return AVJ_OK;
}

/* A guess may name one that never was: then all that there are are tried. */
static void doubt_dictionary(struct avj_segment_header *header)
{
    struct avj_dictionary shipped;
    if (header->dictionary.kind != AVJ_DICTIONARY_SHIPPED ||
        avj_dictionary_find(header->dictionary.hash, &shipped))
        return;
    memset(&header->dictionary, 0, sizeof(header->dictionary));
    header->frames_at = 4096;
}

/* AVJ_END: it is no file that could hold records. */
static enum avj_status read_header(const struct fsck_wreck *w, struct fsck_wreck_file *file,
                                   struct avj_error *err)
{
    char path[FSCK_PATH_MAX];
    path_of(w, file, path);
    enum avj_status status = size_of(w, file, path, err);
    if (status != AVJ_OK)
        return file->place ? status : AVJ_END; /* a folder that lies there */
    status = avj_mend_header(w->io, path, &file->header, &file->mended, err);
    file->good = status == AVJ_OK;
    if (status == AVJ_OK)
        file->number = file->header.segment_no;
    if (status == AVJ_ECORRUPT) {
        status = avj_mend_guess(w->io, path, &file->header, err);
        doubt_dictionary(&file->header);
        file->number = file->place;
    }
    return status;
}

static enum avj_status read_headers(struct fsck_wreck *w, struct avj_error *err)
{
    size_t kept = 0;
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < w->count && status == AVJ_OK; i++) {
        status = read_header(w, &w->files[i], err);
        if (status == AVJ_OK)
            w->files[kept++] = w->files[i];
        if (status == AVJ_END)
            status = AVJ_OK;
    }
    w->count = kept;
    return status;
}

/* Boyer and Moore's majority vote, of the segments first. */
static void find_journal_id(struct fsck_wreck *w)
{
    size_t lead = 0;
    for (int aside = 0; aside < 2 && !w->known; aside++) {
        for (size_t i = 0; i < w->count; i++) {
            const struct fsck_wreck_file *f = &w->files[i];
            if (!f->good || (f->place == 0) != aside)
                continue;
            if (lead == 0)
                memcpy(w->journal_id, f->header.journal_id, 16);
            bool same = memcmp(w->journal_id, f->header.journal_id, 16) == 0;
            lead = same ? lead + 1 : lead - 1;
            w->known = true;
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        struct fsck_wreck_file *f = &w->files[i];
        bool ours = w->known && memcmp(w->journal_id, f->header.journal_id, 16) == 0;
        f->foreign = f->good && w->known && !ours;
        /* A header that is damaged elsewhere may still tell its number. */
        if (!f->good && ours && f->header.segment_no && f->header.segment_no <= w->count + 1)
            f->number = f->header.segment_no;
    }
}

enum avj_status fsck_wreck_gather(const struct avj_io *io, const char *path, struct fsck_wreck *w,
                                  struct avj_error *err)
{
    *w = (struct fsck_wreck){.io = io, .path = path};
    int r = list_folder(w, FSCK_SEGMENTS, true, list_file);
    if (r == 0 || r == -ENOENT || r == -ENOTDIR)
        r = list_folder(w, "", false, list_file);
    if (r == 0)
        r = list_folder(w, FSCK_ASIDE, true, list_aside);
    if (r < 0 && r != -ENOENT && r != -ENOTDIR)
        return avj_fail_errno(err, -r, "%s", path);
    enum avj_status status = read_headers(w, err);
    if (status != AVJ_OK)
        return status;
    find_journal_id(w);
    w->dictionaries = fsck_dictionaries_new(w);
    w->frames = fsck_frames_new();
    return w->dictionaries && w->frames ? AVJ_OK
                                        : avj_fail(err, AVJ_ENOMEM, "%s: out of memory", path);
}

void fsck_wreck_release(struct fsck_wreck *w)
{
    fsck_dictionaries_free(w->dictionaries);
    fsck_frames_free(w->frames);
    free(w->files);
    w->files = NULL;
    w->count = 0;
}

const struct fsck_wreck_file *fsck_wreck_in_place(const struct fsck_wreck *w, uint64_t number)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct fsck_wreck_file *f = &w->files[i];
        if (f->place == number && f->number == number && f->good && !f->foreign)
            return f;
    }
    return NULL;
}

/* ---- what a file gives ---- */

struct look {
    struct fsck_wreck_file *file;
    bool damaged, needs_dictionary;
    uint64_t lost;
};

static enum avj_status look_at_frame(void *arg, const struct avj_frame_info *frame)
{
    struct look *look = arg;
    (void)frame;
    look->file->frames++;
    return AVJ_OK;
}

static enum avj_status look_at_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                      const uint8_t *data, size_t len)
{
    struct fsck_wreck_file *f = ((struct look *)arg)->file;
    (void)frame, (void)data, (void)len;
    f->records++;
    if (!f->min_seq || seq < f->min_seq)
        f->min_seq = seq;
    if (seq > f->max_seq)
        f->max_seq = seq;
    return AVJ_OK;
}

static enum avj_status look_at_damage(void *arg, enum avj_damage damage, uint64_t offset,
                                      uint64_t len, const struct avj_frame_info *next_good)
{
    struct look *look = arg;
    (void)offset, (void)len, (void)next_good;
    look->damaged = true;
    if (damage == AVJ_DAMAGE_DICTIONARY || damage == AVJ_DAMAGE_DECOMPRESS)
        look->needs_dictionary = true;
    return AVJ_OK;
}

struct scanning {
    const struct fsck_wreck *wreck;
    const struct fsck_wreck_file *file;
    const struct avj_scan_events *events;
    struct avj_error *err;
};

static enum avj_status scan_frame(void *arg, const struct avj_frame_info *frame)
{
    const struct avj_scan_events *events = ((struct scanning *)arg)->events;
    return events->frame ? events->frame(events->arg, frame) : AVJ_OK;
}

static enum avj_status scan_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                   const uint8_t *data, size_t len)
{
    const struct avj_scan_events *events = ((struct scanning *)arg)->events;
    return events->record(events->arg, frame, seq, data, len);
}

static bool is_of_a_frame(enum avj_damage damage)
{
    return damage == AVJ_DAMAGE_FRAME_HEADER || damage == AVJ_DAMAGE_PAYLOAD ||
           damage == AVJ_DAMAGE_TRAILER || damage == AVJ_DAMAGE_PADDING ||
           damage == AVJ_DAMAGE_TRUNCATED;
}

static enum avj_status scan_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    const struct scanning *s = arg;
    enum avj_status status = AVJ_OK;
    if (s->events->damage)
        status = s->events->damage(s->events->arg, damage, offset, len, next_good);
    if (status != AVJ_OK || !is_of_a_frame(damage))
        return status;
    return fsck_frames_give(s->wreck, s->file, offset, offset + len, s->events, s->err);
}

static enum avj_status scan(const struct fsck_wreck *w, const struct fsck_wreck_file *file,
                            const struct avj_scan_events *events, struct avj_scan_result *result,
                            struct avj_error *err)
{
    struct scanning scanning = {w, file, events, err};
    const struct avj_scan_events own = {
        .arg = &scanning, .frame = scan_frame, .record = scan_record, .damage = scan_damage};
    char path[FSCK_PATH_MAX];
    path_of(w, file, path);
    return avj_scan_segment_as(w->io, path, &file->header, file->dictionary, file->limit, true,
                               &own, result, err);
}

static enum avj_status look_once(struct fsck_wreck *w, struct fsck_wreck_file *file,
                                 struct look *look, struct avj_error *err)
{
    struct avj_scan_events events = {
        .arg = look, .frame = look_at_frame, .record = look_at_record, .damage = look_at_damage};
    struct avj_scan_result result;
    *look = (struct look){.file = file};
    file->frames = file->records = file->min_seq = file->max_seq = 0;
    enum avj_status status = scan(w, file, &events, &result, err);
    file->sound = status == AVJ_OK && file->good && !file->mended && !look->damaged;
    file->end = result.end;
    file->chain = result.chain;
    file->next_seq = result.next_seq;
    if (file->header.sealed && file->sound) {
        file->end = file->header.from.end;
        file->chain = file->header.from.chain;
    }
    return status;
}

/* Frames that do not unpack may do so with a dictionary that is found elsewhere. */
static enum avj_status try_dictionaries(struct fsck_wreck *w, struct fsck_wreck_file *file,
                                        struct look *look, struct avj_error *err)
{
    uint64_t best = file->records;
    const struct avj_dictionary *found = NULL;
    enum avj_status status = AVJ_OK;
    size_t count = fsck_dictionaries_count(w->dictionaries);
    for (size_t i = 0; i < count && status == AVJ_OK; i++) {
        file->dictionary = fsck_dictionaries_get(w->dictionaries, i);
        status = look_once(w, file, look, err);
        if (status == AVJ_OK && file->records > best) {
            best = file->records;
            found = file->dictionary;
        }
    }
    file->dictionary = found;
    return status == AVJ_OK ? look_once(w, file, look, err) : status;
}

static enum avj_status look_with_all(struct fsck_wreck *w, struct fsck_wreck_file *file,
                                     struct avj_error *err)
{
    struct look look;
    file->dictionary = NULL;
    enum avj_status status = look_once(w, file, &look, err);
    if (status == AVJ_OK && look.needs_dictionary) {
        status = try_dictionaries(w, file, &look, err);
        file->sound = false; /* its own is not what it should be */
    }
    return status;
}

/* A header that was guessed: the salt that stands there may be wrong. */
static enum avj_status try_salts(struct fsck_wreck *w, struct fsck_wreck_file *file,
                                 struct avj_error *err)
{
    struct fsck_wreck_file best = *file;
    const struct fsck_wreck_file *next = fsck_wreck_in_place(w, file->place + 1);
    if (!file->place || !next)
        return AVJ_OK;
    memcpy(file->header.salt, next->header.prev_salt, 16);
    file->header.sealed = false;
    enum avj_status status = look_with_all(w, file, err);
    if (status == AVJ_OK && file->records <= best.records)
        *file = best;
    return status;
}

enum avj_status fsck_wreck_look(struct fsck_wreck *w, struct fsck_wreck_file *file, uint64_t limit,
                                struct avj_error *err)
{
    file->limit = limit;
    if (file->size == 0)
        return AVJ_OK;
    enum avj_status status = look_with_all(w, file, err);
    if (status == AVJ_OK && !file->good)
        status = try_salts(w, file, err);
    return status;
}

enum avj_status
fsck_wreck_records(const struct fsck_wreck *w, const struct fsck_wreck_file *file,
                   enum avj_status (*record)(void *arg, const struct avj_frame_info *frame,
                                             uint64_t seq, const uint8_t *data, size_t len),
                   void *arg, struct avj_error *err)
{
    struct avj_scan_events events = {.arg = arg, .record = record};
    struct avj_scan_result result;
    return file->size ? scan(w, file, &events, &result, err) : AVJ_OK;
}
