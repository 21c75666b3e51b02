/* A small journal and what comes of damage to it: see small_journal.h. */
#include "tests/support/small_journal.h"

#include "journal/maintain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdicts[] = {
    [SMALL_SOUND] = "sound",
    [SMALL_FOUND] = "damage found",
    [SMALL_LOST] = "PROMISED RECORDS LOST IN SILENCE",
    [SMALL_WRONG] = "A WRONG RECORD GIVEN OUT",
    [SMALL_ODD] = "ANOTHER ERROR",
};

const char *small_verdict_text(enum small_verdict verdict)
{
    return verdicts[verdict];
}

struct avj_journal_options small_options(struct mem_io *mem)
{
    return (struct avj_journal_options){.io = mem_io_table(mem), .no_background = true};
}

const char *small_segment(unsigned number)
{
    static char path[64];

    snprintf(path, sizeof path, SMALL_DIR "/segments/%016x.seg", number);
    return path;
}

unsigned small_segments(struct mem_io *mem)
{
    unsigned count = 0;

    while (mem_io_exists(mem, small_segment(count + 1)))
        count++;
    return count;
}

const char *small_end_text(enum small_end end)
{
    static const char *const texts[] = {
        [SMALL_CLOSED] = "closed",
        [SMALL_KILLED] = "killed",
        [SMALL_REBOOTED] = "killed and rebooted",
        [SMALL_MID_SYNC] = "killed in a sync",
    };

    return texts[end];
}

/* ---- making it ---- */

enum step_kind {
    STEP_FRAME,
    STEP_ROTATE,
    STEP_FILL,       /* up to the number of bytes that is asked for */
    STEP_NOISE,      /* the process dies in the middle of an append and another goes on */
    STEP_SEAL,       /* all finished segments, and compact those behind the first */
    STEP_DICTIONARY, /* the next segment embeds one */
    STEP_RESERVE,    /* from now on zeros are written ahead */
};

static const struct step {
    enum step_kind kind;
    enum known_kind records;
    size_t len, count;
} steps[] = {
    {STEP_FRAME, KNOWN_RAW, 20, 1},   /* one record, stored raw */
    {STEP_FRAME, KNOWN_TEXT, 300, 1}, /* one record, compressed */
    {STEP_FRAME, KNOWN_RAW, 5, 25},   /* many records, stored raw */
    {STEP_FRAME, KNOWN_RAW, 20, 1},   /* as long as the first frame */
    {STEP_NOISE, KNOWN_RAW, 0, 0},
    {STEP_FRAME, KNOWN_TEXT, 90, 12}, /* many records, compressed; in segment 2 */
    {STEP_FRAME, KNOWN_RAW, 0, 1},    /* an empty record */
    {STEP_FILL, KNOWN_TEXT, 400, 40},
    {STEP_ROTATE, KNOWN_RAW, 0, 0},
    {STEP_SEAL, KNOWN_RAW, 0, 0},
    {STEP_FRAME, KNOWN_RAW, 20, 1}, /* segment 3: not sealed, with the built-in dictionary */
    {STEP_FRAME, KNOWN_TEXT, 150, 3},
    {STEP_DICTIONARY, KNOWN_RAW, 0, 0},
    {STEP_ROTATE, KNOWN_RAW, 0, 0},
    {STEP_FRAME, KNOWN_TEXT, 100, 1}, /* segment 4: with its own dictionary */
    {STEP_FRAME, KNOWN_RAW, 33, 2},
    {STEP_ROTATE, KNOWN_RAW, 0, 0},
    {STEP_RESERVE, KNOWN_RAW, 0, 0},
    {STEP_FRAME, KNOWN_TEXT, 100, 1},
    {STEP_FRAME, KNOWN_RAW, 20, 1},
    {STEP_FRAME, KNOWN_RAW, 8, 3},
    {STEP_FRAME, KNOWN_RAW, 20, 1},
    {STEP_FRAME, KNOWN_TEXT, 200, 2},
    {STEP_FRAME, KNOWN_RAW, 20, 1},
};

static void need(enum avj_status status, const struct avj_error *err)
{
    if (status == AVJ_OK || status == AVJ_END)
        return;
    fprintf(stderr, "small journal: %s\n", err->message);
    abort();
}

/* A journal in the making. */
struct making {
    struct small_journal *small;
    struct avj_journal *journal;
    bool reserve;
    size_t bytes;
};

static void open_again(struct making *m)
{
    struct avj_journal_options options = small_options(m->small->mem);
    struct avj_error err;

    avj_journal_close(m->journal);
    options.no_reserve = !m->reserve;
    need(avj_journal_open(SMALL_DIR, &options, &m->journal, &err), &err);
}

static void append(struct making *m, const struct step *step)
{
    struct avj_error err;

    need(known_append(&m->small->known, m->journal, step->records, step->len, step->count,
                      AVJ_DURABLE, &err),
         &err);
}

static void fill(struct making *m, const struct step *step)
{
    size_t len = 0;

    while (mem_io_data(m->small->mem, small_segment(2), &len) && len < m->bytes)
        append(m, step);
}

static void die(struct making *m)
{
    mem_io_kill(m->small->mem, true);
    avj_journal_close(m->journal);
    m->journal = NULL;
    mem_io_kill(m->small->mem, false);
}

static void leave_noise(struct making *m)
{
    const char *path = small_segment(small_segments(m->small->mem));
    size_t len;

    die(m);
    (void)mem_io_data(m->small->mem, path, &len);
    mem_io_resize(m->small->mem, path, len + 50);
    memset(mem_io_data(m->small->mem, path, &len) + len - 50, 'n', 50);
    open_again(m);
}

void small_save_dictionary(struct avj_journal *journal)
{
    static uint8_t words[500];
    struct avj_dictionary dictionary = {.data = words, .len = sizeof words};
    struct avj_error err;

    for (size_t i = 0; i < sizeof words; i++)
        words[i] = (uint8_t) "the answer to this part of the question is that it depends; "[i % 60];
    dictionary.hash = avj_dictionary_hash(words, sizeof words);
    need(avj_dictionary_save(journal, &dictionary, UINT64_MAX / 2, &err), &err);
}

static void seal(struct making *m)
{
    struct avj_maintained done;
    struct avj_error err;
    uint64_t replaced;

    m->small->unsealed = mem_io_copy(m->small->mem);
    need(avj_journal_maintain(m->journal, NULL, &done, &err), &err);
    need(known_shorten(m->journal, &replaced, &err), &err);
    if (done.sealed == 0 || done.damaged > 0 || replaced == 0)
        abort();
}

static void take(struct making *m, const struct step *step)
{
    struct avj_error err;

    switch (step->kind) {
    case STEP_FRAME:
        append(m, step);
        break;
    case STEP_ROTATE:
        need(avj_journal_rotate(m->journal, &err), &err);
        break;
    case STEP_FILL:
        fill(m, step);
        break;
    case STEP_NOISE:
        leave_noise(m);
        break;
    case STEP_SEAL:
        seal(m);
        break;
    case STEP_DICTIONARY:
        small_save_dictionary(m->journal);
        open_again(m);
        break;
    case STEP_RESERVE:
        m->reserve = true;
        open_again(m);
    }
}

static void come_to_the_end(struct making *m)
{
    struct known *known = &m->small->known;
    struct avj_error err;
    bool relaxed = m->small->end == SMALL_KILLED || m->small->end == SMALL_REBOOTED;

    for (int i = 0; relaxed && i < 2; i++)
        need(known_append(known, m->journal, KNOWN_TEXT, 60, 3, AVJ_RELAXED, &err), &err);
    if (m->small->end == SMALL_MID_SYNC) {
        mem_io_kill_at_sync(m->small->mem);
        if (known_append(known, m->journal, KNOWN_TEXT, 60, 3, AVJ_DURABLE, &err) == AVJ_OK)
            abort();
    }
    if (m->small->end != SMALL_CLOSED)
        die(m);
    if (m->small->end == SMALL_REBOOTED)
        mem_io_boot(m->small->mem);
    avj_journal_close(m->journal);
}

/* ---- what there is of it ---- */

struct survey {
    struct small_journal *small;
    struct small_extent *extent;
    const char *path; /* NULL: frames are not listed */
};

static enum avj_status see_frame(void *arg, const struct avj_frame_info *frame)
{
    struct survey *survey = arg;
    struct small_journal *small = survey->small;

    if (frame->type != AVJ_FRAME_RECORDS)
        return AVJ_OK;
    survey->extent->written = frame->offset + frame->total_len;
    if (frame->first_seq <= small->known.durable)
        survey->extent->promised = survey->extent->written;
    if (!survey->path)
        return AVJ_OK;
    small->frames = realloc(small->frames, (small->frame_count + 1) * sizeof *small->frames);
    if (!small->frames)
        abort();
    small->frames[small->frame_count++] =
        (struct small_frame){survey->path, frame->offset, frame->total_len, frame->first_seq};
    return AVJ_OK;
}

static const char *own_path(struct mem_io *mem, const char *path)
{
    size_t i = 0;

    while (strcmp(mem_io_name(mem, i), path) != 0)
        i++;
    return mem_io_name(mem, i);
}

/* The frames of all segments, and how much of each was promised. */
static unsigned see_segments(struct small_journal *small, struct mem_io *mem,
                             struct small_extent *extents, bool list)
{
    unsigned number = 1;

    for (; mem_io_exists(mem, small_segment(number)); number++) {
        struct survey survey = {small, &extents[number - 1], NULL};
        const struct avj_scan_events events = {.arg = &survey, .frame = see_frame};
        struct avj_scan_result result;
        struct avj_error err;

        if (number > SMALL_SEGMENTS_MAX)
            abort();
        if (list)
            survey.path = own_path(mem, small_segment(number));
        need(avj_scan_segment(mem_io_table(mem), small_segment(number), 0, false, &events, &result,
                              &err),
             &err);
        if (survey.extent->promised < result.header.frames_at)
            survey.extent->promised = result.header.frames_at;
        survey.extent->sealed = result.header.sealed;
    }
    return number - 1;
}

void small_journal_build(struct small_journal *small, enum small_end end, uint64_t seed,
                         size_t bytes)
{
    struct making m = {.small = small, .bytes = bytes};
    struct avj_journal_options options;
    struct avj_error err;
    size_t count = sizeof steps / sizeof *steps;

    memset(small, 0, sizeof *small);
    small->mem = mem_io_new(seed);
    small->end = end;
    known_init(&small->known, seed);
    options = small_options(small->mem);
    need(avj_journal_create(SMALL_DIR, &options, &err), &err);
    open_again(&m);
    for (size_t i = 0; i < count; i++) {
        take(&m, &steps[i]);
        if (i + 1 < count && steps[i].kind == STEP_FRAME && small->older_count < SMALL_OLDER_MAX)
            small->older[small->older_count++] = mem_io_copy(small->mem);
    }
    come_to_the_end(&m);
    small->segments = see_segments(small, small->mem, small->extents, true);
    (void)see_segments(small, small->unsealed, small->before, false);
}

void small_journal_release(struct small_journal *small)
{
    for (size_t i = 0; i < small->older_count; i++)
        mem_io_free(small->older[i]);
    mem_io_free(small->mem);
    mem_io_free(small->unsealed);
    known_release(&small->known);
    free(small->frames);
    memset(small, 0, sizeof *small);
}

/* ---- what comes of damage ---- */

static enum small_verdict judge(enum avj_status status, uint64_t last, const struct known *known)
{
    if (status == AVJ_EFORMAT)
        return SMALL_WRONG;
    /* No segment is left: a journal it is not, and no reader can take it for an empty one. */
    if (status == AVJ_ECORRUPT || status == AVJ_ENOTJOURNAL)
        return SMALL_FOUND;
    if (status != AVJ_END)
        return SMALL_ODD;
    return last < known->durable ? SMALL_LOST : SMALL_SOUND;
}

enum small_verdict small_read(struct mem_io *mem, const struct known *known, uint64_t from,
                              struct avj_error *err)
{
    struct avj_journal_options options = small_options(mem);
    struct avj_journal *journal = NULL;
    uint64_t last = 0;
    enum avj_status status;

    options.read_only = true;
    status = avj_journal_open(SMALL_DIR, &options, &journal, err);
    if (status == AVJ_OK)
        status = known_read(known, journal, from, &last, err);
    avj_journal_close(journal);
    return judge(status, last, known);
}

/* Is every byte of `before` still in `now`, except that zeros may have become something? */
static bool kept(struct mem_io *before, struct mem_io *now, bool zeros_may_change)
{
    const char *path;

    for (size_t i = 0; (path = mem_io_name(before, i)); i++) {
        size_t old_len, new_len;
        const uint8_t *old = mem_io_data(before, path, &old_len);
        const uint8_t *new = mem_io_data(now, path, &new_len);

        if (strlen(path) < 4 || strcmp(path + strlen(path) - 4, ".seg") != 0)
            continue;
        if (!new || new_len < old_len)
            return false;
        if (memcmp(old, new, old_len) == 0)
            continue;
        for (size_t at = 0; at < old_len; at++)
            if (old[at] != new[at] && (old[at] != 0 || !zeros_may_change))
                return false;
    }
    return true;
}

static enum avj_status append_and_close(struct mem_io *mem, struct known *known,
                                        struct avj_error *err)
{
    struct avj_journal_options options = small_options(mem);
    struct avj_journal *journal = NULL;
    enum avj_status status = avj_journal_open(SMALL_DIR, &options, &journal, err);

    if (status == AVJ_OK)
        status = known_append(known, journal, KNOWN_RAW, 40, 2, AVJ_DURABLE, err);
    avj_journal_close(journal);
    return status;
}

enum small_verdict small_write(struct mem_io *mem, const struct known *before,
                               struct avj_error *err)
{
    struct mem_io *copy = mem_io_copy(mem);
    struct known known;
    enum avj_status status;
    enum small_verdict verdict;

    known_copy(&known, before);
    status = append_and_close(copy, &known, err);
    if (status == AVJ_OK)
        verdict = small_read(copy, &known, 1, err);
    else
        verdict = judge(status, 0, &known);
    if (!kept(mem, copy, status == AVJ_OK)) {
        verdict = SMALL_ODD;
        (void)avj_fail(err, AVJ_EFORMAT, "bytes of a segment were changed");
    }
    known_release(&known);
    mem_io_free(copy);
    return verdict;
}

struct scan {
    const struct known *known;
    bool damage;
};

static enum avj_status scan_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                   const uint8_t *data, size_t len)
{
    const struct scan *scan = arg;

    (void)frame;
    return known_is(scan->known, seq, data, len) ? AVJ_OK : AVJ_EFORMAT;
}

static enum avj_status scan_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    struct scan *scan = arg;

    (void)damage;
    (void)offset;
    (void)len;
    (void)next_good;
    scan->damage = true;
    return AVJ_OK;
}

enum small_verdict small_scan(struct mem_io *mem, const char *path, const struct known *known,
                              struct avj_error *err)
{
    struct scan scan = {.known = known};
    const struct avj_scan_events events = {
        .arg = &scan, .record = scan_record, .damage = scan_damage};
    struct avj_scan_result result;
    enum avj_status status =
        avj_scan_segment(mem_io_table(mem), path, 0, true, &events, &result, err);

    if (status == AVJ_EFORMAT) {
        (void)avj_fail(err, AVJ_EFORMAT, "the scan gave a record that was never written");
        return SMALL_WRONG;
    }
    if (status != AVJ_OK)
        return SMALL_ODD;
    return scan.damage ? SMALL_FOUND : SMALL_SOUND;
}

/* Of one segment, against one version of it: the first byte that is not as it was says it all. */
static enum small_expected expect_segment(const struct small_extent *extent, bool same_boot,
                                          struct mem_io *was_mem, struct mem_io *is_mem,
                                          const char *path)
{
    size_t was_len, len, at = 0;
    const uint8_t *was = mem_io_data(was_mem, path, &was_len);
    const uint8_t *is = mem_io_data(is_mem, path, &len);

    if (!was || !is)
        return SMALL_MUST_BE_FOUND;
    while (at < was_len && at < len && was[at] == is[at])
        at++;
    if (at < extent->promised)
        return SMALL_MUST_BE_FOUND;
    if (extent->sealed && at < was_len)
        return SMALL_MAY_BE_FOUND; /* the index, and bytes that were set aside */
    return at < extent->written && same_boot ? SMALL_MAY_BE_FOUND : SMALL_MUST_BE_SOUND;
}

enum small_expected small_expect(const struct small_journal *small, struct mem_io *mem)
{
    enum small_expected worst = SMALL_MUST_BE_SOUND;
    bool same_boot = small->end != SMALL_REBOOTED;

    for (unsigned i = 0; i < small->segments; i++) {
        const char *path = small_segment(i + 1);
        enum small_expected expected =
            expect_segment(&small->extents[i], same_boot, small->mem, mem, path);

        /* What a segment was sealed from is as good. */
        if (expected == SMALL_MUST_BE_FOUND && small->extents[i].sealed)
            expected = expect_segment(&small->before[i], same_boot, small->unsealed, mem, path);
        if (expected == SMALL_MUST_BE_FOUND)
            return expected;
        if (expected == SMALL_MAY_BE_FOUND)
            worst = expected;
    }
    return worst;
}

bool small_as_expected(enum small_expected expected, enum small_verdict verdict)
{
    if (expected == SMALL_MUST_BE_SOUND)
        return verdict == SMALL_SOUND;
    if (expected == SMALL_MUST_BE_FOUND)
        return verdict == SMALL_FOUND;
    return verdict == SMALL_SOUND || verdict == SMALL_FOUND;
}
