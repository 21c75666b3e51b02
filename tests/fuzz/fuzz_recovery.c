/*
 * The bytes are what happens to a journal: appends by two handles, rotation, syncs, kills, power
 * cuts, flipped, zeroed and cut bytes, sealing, and being opened again (the first byte: whether
 * space is written ahead).  The oracle remembers every record. Never is a record given out that was
 * not written at its number; never is one that was promised missing without the journal's saying
 * so, unless the bytes that would have told were damaged themselves; and where nothing was damaged
 * nothing is called damaged.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/support/small_journal.h"

#include <string.h>

#define HANDLES 2
#define OPS_MAX 200

struct world {
    struct fuzz_bytes in;
    struct mem_io *mem;
    struct known known;
    struct avj_journal *handles[HANDLES];
    uint64_t appended[HANDLES]; /* the last record that went through this handle */
    bool reserve;
    bool damaged; /* since the journal was last found sound */
    bool over;    /* the journal said that it is damaged */
};

static void must_be(struct world *w, enum avj_status status, const struct avj_error *err)
{
    if (status == AVJ_OK)
        return;
    fuzz_require(status == AVJ_ECORRUPT && w->damaged, "%s", err->message);
    w->over = true;
}

static void open_handle(struct world *w, unsigned i)
{
    struct avj_journal_options options = small_options(w->mem);
    struct avj_error err;

    if (w->handles[i])
        return;
    options.segment_target = 64 * 1024;
    options.no_reserve = !w->reserve;
    must_be(w, avj_journal_open(SMALL_DIR, &options, &w->handles[i], &err), &err);
    w->appended[i] = 0;
}

static void close_all(struct world *w)
{
    for (unsigned i = 0; i < HANDLES; i++) {
        avj_journal_close(w->handles[i]);
        w->handles[i] = NULL;
    }
}

/* ---- what must be true whenever nobody writes ---- */

/* Did anything tell that there should be more than `last` records? */
static bool told(struct world *w, uint64_t last)
{
    struct avj_sync_witness witness = {0};

    return avj_read_sync_witness(mem_io_table(w->mem), SMALL_DIR, &witness, NULL) == AVJ_OK &&
           witness.valid && witness.seq > last;
}

static void check(struct world *w)
{
    struct avj_journal_options options = small_options(w->mem);
    struct avj_journal *journal = NULL;
    struct avj_error err;
    uint64_t last = 0;
    enum avj_status status;

    options.read_only = true;
    status = avj_journal_open(SMALL_DIR, &options, &journal, &err);
    if (status == AVJ_OK)
        status = known_read(&w->known, journal, 1, &last, &err);
    avj_journal_close(journal);
    if (status != AVJ_END) {
        fuzz_require(w->damaged && (status == AVJ_ECORRUPT || status == AVJ_ENOTJOURNAL), "%s",
                     err.message);
        w->over = true;
        return;
    }
    fuzz_require(last >= w->known.durable || w->damaged, "%llu of %llu promised records are there",
                 (unsigned long long)last, (unsigned long long)w->known.durable);
    fuzz_require(last >= w->known.durable || !told(w, last), "%llu of %llu, and the witness knows",
                 (unsigned long long)last, (unsigned long long)w->known.durable);
    if (last < w->known.durable)
        w->known.durable = last;
    w->known.last = last; /* what is not there now never comes back */
}

/* ---- what can happen ---- */

static void op_append(struct world *w, unsigned i)
{
    unsigned how = fuzz_byte(&w->in);
    enum known_kind kind = how & 1 ? KNOWN_TEXT : KNOWN_RAW;
    size_t count = how & 2 ? 1 + fuzz_byte(&w->in) % 40u : 1;
    size_t len = how & 4 ? fuzz_number(&w->in, 2) % 20000u : fuzz_byte(&w->in);
    struct avj_error err;
    enum avj_status status;

    open_handle(w, i);
    if (w->over)
        return;
    status = known_append(&w->known, w->handles[i], kind, len, count,
                          how & 8 ? AVJ_DURABLE : AVJ_RELAXED, &err);
    must_be(w, status, &err);
    w->appended[i] = w->known.last;
}

static void op_sync(struct world *w, unsigned i)
{
    struct avj_error err;
    enum avj_status status;

    if (!w->handles[i])
        return;
    status = avj_journal_sync(w->handles[i], &err);
    must_be(w, status, &err);
    if (status == AVJ_OK && w->known.durable < w->appended[i])
        w->known.durable = w->appended[i];
}

static void op_rotate(struct world *w, unsigned i)
{
    struct avj_error err;
    enum avj_status status;

    open_handle(w, i);
    if (w->over)
        return;
    status = avj_journal_rotate(w->handles[i], &err);
    must_be(w, status, &err);
    if (status == AVJ_OK && w->known.durable < w->appended[i])
        w->known.durable = w->appended[i];
}

static void op_close(struct world *w, unsigned i)
{
    avj_journal_close(w->handles[i]);
    w->handles[i] = NULL;
}

static bool next_bit(void *arg)
{
    return (fuzz_byte(arg) & 1) != 0;
}

static void op_kill(struct world *w, bool power)
{
    mem_io_kill(w->mem, true);
    close_all(w);
    mem_io_kill(w->mem, false);
    if (power)
        mem_io_cut(w->mem, next_bit, &w->in);
    check(w);
}

/* Killed while a sync is under way: nobody knows how it ended. */
static void op_kill_in_sync(struct world *w, unsigned i)
{
    struct avj_error err;

    open_handle(w, i);
    if (w->over)
        return;
    mem_io_kill_at_sync(w->mem);
    (void)!known_append(&w->known, w->handles[i], KNOWN_RAW, fuzz_byte(&w->in), 1, AVJ_DURABLE,
                        &err);
    op_kill(w, (fuzz_byte(&w->in) & 1) != 0);
}

static void op_seal(struct world *w, unsigned i)
{
    struct avj_error err;

    open_handle(w, i);
    if (!w->over)
        must_be(w, avj_journal_maintain(w->handles[i], NULL, NULL, &err), &err);
}

/* A file of the journal by number, its segments most of the time. */
static const char *pick_file(struct world *w)
{
    unsigned pick = fuzz_byte(&w->in), count = small_segments(w->mem);

    return pick % 8 == 0 || count == 0 ? SMALL_SYNC : small_segment(1 + pick / 8 % count);
}

/* The place is counted from the end: that is where it is interesting. */
static void op_damage(struct world *w)
{
    const char *path = pick_file(w);
    unsigned how = fuzz_byte(&w->in);
    size_t back = 1 + fuzz_number(&w->in, how & 1 ? 1 : 2), len;
    uint8_t *data = mem_io_data(w->mem, path, &len);

    close_all(w);
    data = mem_io_data(w->mem, path, &len);
    if (!data || back > len)
        return;
    w->damaged = true;
    if (how & 2)
        data[len - back] ^= (uint8_t)(1u << (how >> 5));
    else if (how & 4)
        mem_io_resize(w->mem, path, len - back);
    else if (how & 8)
        memset(data + len - back, 0, back < 512 ? back : 512);
    else
        test_rng_fill(&w->known.rng, data + len - back, back < 64 ? back : 64);
    check(w);
}

static void op_copy_frames(struct world *w)
{
    const char *path = pick_file(w);
    size_t from = fuzz_number(&w->in, 2), width = fuzz_number(&w->in, 2), len;
    uint8_t *data, *copy;

    close_all(w);
    data = mem_io_data(w->mem, path, &len);
    if (!data || from >= len)
        return;
    width = width < len - from ? width : len - from;
    copy = malloc(len + width + 1);
    fuzz_require(copy, "out of memory");
    memcpy(copy, data, len);
    memcpy(copy + len, data + from, width);
    mem_io_put(w->mem, path, copy, len + width);
    free(copy);
    w->damaged = true;
    check(w);
}

static void step(struct world *w)
{
    unsigned op = fuzz_byte(&w->in), i = op >> 4 & 1;

    switch (op % 16) {
    case 5:
        op_seal(w, i);
        break;
    case 6:
        op_kill_in_sync(w, i);
        break;
    case 7:
        op_sync(w, i);
        break;
    case 8:
        op_rotate(w, i);
        break;
    case 9:
        op_close(w, i);
        break;
    case 10:
        op_kill(w, false);
        break;
    case 11:
    case 12:
        op_kill(w, true);
        break;
    case 13:
        op_damage(w);
        break;
    case 14:
        op_copy_frames(w);
        break;
    case 15:
        check(w);
        break;
    default:
        op_append(w, i);
    }
}

static void live(struct world *w)
{
    struct avj_journal_options options = small_options(w->mem);
    struct avj_error err;

    w->reserve = (fuzz_byte(&w->in) & 1) != 0;
    must_be(w, avj_journal_create(SMALL_DIR, &options, &err), &err);
    for (int i = 0; i < OPS_MAX && !w->over && w->in.len > 0; i++)
        step(w);
    close_all(w);
    if (!w->over)
        check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.in = {data, size}, .mem = mem_io_new(1)};

    known_init(&w.known, 1);
    live(&w);
    known_release(&w.known);
    mem_io_free(w.mem);
    return 0;
}
