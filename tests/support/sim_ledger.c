/* What writers were told and what readers find: see sim_ledger.h. */
#include "tests/support/sim_ledger.h"

#include "journal/bytes.h"
#include "journal/rewrite.h"
#include "tests/support/rng.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_MIN  ((size_t)9) /* batch number and index */
#define RECORD_MAX  ((size_t)40 * 1024)
#define BATCH_BYTES RECORD_MAX
/* So much noise that zstd finds the frames in it not worth its while. */
#define NESTED_MIN ((size_t)28 * 1024)

/* ---- lists ---- */

static void push(struct sim_list *list, uint64_t item)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 64;
        list->items = realloc(list->items, list->cap * sizeof *list->items);
        if (!list->items)
            abort();
    }
    list->items[list->count++] = item;
}

static void copy_list(struct sim_list *to, const struct sim_list *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        push(to, from->items[i]);
}

static bool find(const struct sim_list *list, uint64_t item, size_t *at)
{
    for (*at = 0; *at < list->count; ++*at)
        if (list->items[*at] == item)
            return true;
    return false;
}

void sim_ledger_release(struct sim_ledger *ledger)
{
    free(ledger->at.items);
    free(ledger->in_air.items);
    *ledger = (struct sim_ledger){0};
}

void sim_ledger_copy(struct sim_ledger *to, const struct sim_ledger *from)
{
    copy_list(&to->at, &from->at);
    copy_list(&to->in_air, &from->in_air);
    to->durable = from->durable;
    to->next = from->next;
    to->created = from->created;
    to->broken = from->broken;
}

void sim_reading_release(struct sim_reading *reading)
{
    free(reading->tags.items);
    *reading = (struct sim_reading){0};
}

/* ---- batches ---- */

static struct {
    const uint8_t *frames;
    size_t len, count;
} nested;

void sim_ledger_nest(const uint8_t *frames, size_t len, size_t count)
{
    nested.frames = frames;
    nested.len = len;
    nested.count = count;
}

/* One after the other over the record, each a byte further from a multiple of 8, so that some of
 * them lie in the segment as frames do. */
static void put_nested(uint8_t *data, size_t len)
{
    size_t step = len / (nested.count + 1) / 8 * 8;

    for (size_t i = 0; i < nested.count; i++)
        memcpy(data + RECORD_MIN + i * step + i % 8, nested.frames + i * nested.len, nested.len);
}

/* A batch's number holds its size class in the low bits; a record's tag is the number and the
 * record's index. */
static uint64_t tag_of(uint64_t batch, size_t index)
{
    return batch * 8 + index;
}

struct batch {
    size_t count;
    size_t len[SIM_BATCH_MAX];
    bool noise[SIM_BATCH_MAX];
    struct test_rng rng;
};

static struct batch make_batch(uint64_t number)
{
    static const struct {
        size_t count, min, max;
    } sizes[SIM_BATCH_SIZES] = {
        [SIM_TINY] = {1, RECORD_MIN, 80},
        [SIM_SMALL] = {SIM_BATCH_MAX, RECORD_MIN, 600},
        [SIM_LARGE] = {SIM_BATCH_MAX, RECORD_MIN, 4096},
        [SIM_HUGE] = {1, 8192, RECORD_MAX},
        [SIM_NESTED] = {1, NESTED_MIN, RECORD_MAX},
    };
    enum sim_batch_size size = number % SIM_BATCH_SIZES;
    struct batch b = {0};

    test_rng_init(&b.rng, number);
    b.count = 1 + (size_t)test_rng_below(&b.rng, sizes[size].count);
    for (size_t i = 0; i < b.count; i++) {
        b.len[i] =
            sizes[size].min + (size_t)test_rng_below(&b.rng, sizes[size].max - sizes[size].min + 1);
        b.noise[i] = size >= SIM_HUGE || test_rng_below(&b.rng, 2) > 0;
    }
    return b;
}

/* Record `index` into `data`; they are made in order. */
static void make_record(struct batch *b, uint64_t number, size_t index, uint8_t *data)
{
    static const char words[] = "what is written here can be said again, and again, and so it is; ";
    size_t len = b->len[index];

    avj_put_le64(data, number);
    data[8] = (uint8_t)index;
    if (b->noise[index]) {
        test_rng_fill(&b->rng, data + RECORD_MIN, len - RECORD_MIN);
        if (number % SIM_BATCH_SIZES == SIM_NESTED)
            put_nested(data, len);
        return;
    }
    for (size_t i = RECORD_MIN; i < len; i++)
        data[i] = (uint8_t)words[(i + number) % (sizeof words - 1)];
}

/* ---- what writers were told ---- */

uint64_t sim_ledger_begin(struct sim_ledger *ledger, enum sim_batch_size size)
{
    uint64_t batch = ++ledger->next * SIM_BATCH_SIZES + size;

    push(&ledger->in_air, batch);
    return batch;
}

void sim_ledger_never(struct sim_ledger *ledger, uint64_t batch)
{
    size_t at;

    if (find(&ledger->in_air, batch, &at))
        ledger->in_air.items[at] = ledger->in_air.items[--ledger->in_air.count];
}

void sim_ledger_landed(struct sim_ledger *ledger, uint64_t batch, uint64_t first_seq)
{
    struct batch b = make_batch(batch);

    sim_ledger_never(ledger, batch);
    while (ledger->at.count < first_seq - 1 + b.count)
        push(&ledger->at, 0);
    for (size_t i = 0; i < b.count; i++)
        ledger->at.items[first_seq - 1 + i] = tag_of(batch, i);
}

void sim_ledger_durable(struct sim_ledger *ledger, uint64_t seq)
{
    if (seq > ledger->durable)
        ledger->durable = seq;
}

void sim_ledger_doubt(struct sim_ledger *ledger)
{
    for (size_t i = (size_t)ledger->durable; i < ledger->at.count; i++) {
        uint64_t tag = ledger->at.items[i];
        if (tag && tag % 8 == 0)
            push(&ledger->in_air, tag / 8);
    }
    if (ledger->at.count > ledger->durable)
        ledger->at.count = (size_t)ledger->durable;
}

static enum avj_status append(struct avj_journal *journal, uint64_t number,
                              enum avj_durability durability, uint64_t *first_seq, size_t *count,
                              struct avj_error *err)
{
    struct batch b = make_batch(number);
    struct avj_slice slices[SIM_BATCH_MAX];
    uint8_t *bytes = malloc(BATCH_BYTES), *at = bytes;
    enum avj_status status;

    if (!bytes)
        abort();
    for (size_t i = 0; i < b.count; i++) {
        make_record(&b, number, i, at);
        slices[i] = (struct avj_slice){at, b.len[i]};
        at += b.len[i];
    }
    *count = b.count;
    status = avj_journal_append(journal, slices, b.count, durability, first_seq, err);
    free(bytes);
    return status;
}

/* A place is given to one record: what was told to be there before and is durable stays there. */
static bool is_taken(const struct sim_ledger *ledger, uint64_t batch, uint64_t first_seq)
{
    uint64_t told = first_seq <= ledger->at.count ? ledger->at.items[first_seq - 1] : 0;

    return first_seq <= ledger->durable && told != 0 && told != tag_of(batch, 0);
}

void sim_ledger_synced(struct sim_ledger *ledger, struct sim_relaxed *relaxed)
{
    for (size_t i = 0; i < relaxed->batches.count; i++) {
        uint64_t batch = relaxed->batches.items[i], first_seq = relaxed->seqs.items[i];
        struct batch b = make_batch(batch);
        if (is_taken(ledger, batch, first_seq))
            ledger->broken = first_seq;
        sim_ledger_landed(ledger, batch, first_seq);
        sim_ledger_durable(ledger, first_seq + b.count - 1);
    }
    relaxed->batches.count = relaxed->seqs.count = 0;
    sim_ledger_durable(ledger, relaxed->last);
}

void sim_relaxed_release(struct sim_relaxed *relaxed)
{
    free(relaxed->batches.items);
    free(relaxed->seqs.items);
    *relaxed = (struct sim_relaxed){0};
}

enum avj_status sim_ledger_append(struct sim_ledger *ledger, struct sim_relaxed *relaxed,
                                  const struct sim_process *process, struct avj_journal *journal,
                                  enum sim_batch_size size, enum avj_durability durability,
                                  struct avj_error *err)
{
    uint64_t batch = sim_ledger_begin(ledger, size), first = 0;
    size_t count;
    enum avj_status status = append(journal, batch, durability, &first, &count, err);

    if (sim_killed(process))
        return avj_fail(err, AVJ_EIO, "the process was killed");
    if (status == AVJ_ENOSPC || status == AVJ_ELOCKED)
        sim_ledger_never(ledger, batch);
    else if (status != AVJ_OK)
        sim_relaxed_release(relaxed);
    if (status != AVJ_OK)
        return status;
    sim_ledger_landed(ledger, batch, first);
    push(&relaxed->batches, batch);
    push(&relaxed->seqs, first);
    relaxed->last = first + count - 1;
    if (durability == AVJ_DURABLE)
        sim_ledger_synced(ledger, relaxed);
    return AVJ_OK;
}

/* ---- what readers find ---- */

static enum avj_status wrong(struct avj_error *err, const char *what, uint64_t seq)
{
    return avj_fail(err, AVJ_EFORMAT, "record %llu: %s", (unsigned long long)seq, what);
}

static enum avj_status shorten(void *arg, uint64_t seq, const void *data, size_t len,
                               struct avj_slice *instead, struct avj_error *err)
{
    (void)arg, (void)err;
    if (seq % 3 && len > RECORD_MIN)
        *instead = (struct avj_slice){data, RECORD_MIN};
    return AVJ_OK;
}

enum avj_status sim_shorten(struct avj_journal *journal, uint64_t *segments, struct avj_error *err)
{
    const struct avj_rewriting how = {.decide = shorten};
    struct avj_rewritten done;
    enum avj_status status = avj_journal_rewrite(journal, UINT64_MAX, &how, &done, err);

    *segments = done.segments;
    return status;
}

/* Reads on: the records of one batch, from `record` on. */
static enum avj_status read_batch(struct avj_cursor *cursor, struct avj_record *record,
                                  struct sim_reading *reading, struct avj_error *err)
{
    uint64_t number = record->len >= RECORD_MIN ? avj_get_le64(record->data) : 0;
    struct batch b = make_batch(number);
    uint8_t *wanted = malloc(RECORD_MAX);
    enum avj_status status = AVJ_OK;

    if (!wanted)
        abort();
    for (size_t i = 0; status == AVJ_OK && i < b.count; i++) {
        uint64_t seq = reading->tags.count + 1;
        make_record(&b, number, i, wanted);
        if (record->seq != seq)
            status = wrong(err, "has another sequence number", seq);
        else if ((record->len != b.len[i] && (record->len != RECORD_MIN || seq % 3 == 0)) ||
                 memcmp(record->data, wanted, record->len) != 0)
            status = wrong(err, "is none that was written, or out of its batch", seq);
        else
            push(&reading->tags, tag_of(number, i));
        if (status == AVJ_OK && i + 1 < b.count)
            status = avj_cursor_next(cursor, record, err);
        if (status == AVJ_END)
            status = wrong(err, "its batch is not whole", seq);
    }
    free(wanted);
    return status;
}

enum avj_status sim_read(struct avj_journal *journal, struct sim_reading *reading,
                         struct avj_error *err)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    enum avj_status status = avj_cursor_open(journal, 0, &cursor, err);

    reading->tags.count = 0;
    while (status == AVJ_OK) {
        status = avj_cursor_next(cursor, &record, err);
        if (status == AVJ_OK)
            status = read_batch(cursor, &record, reading, err);
    }
    avj_cursor_close(cursor);
    return status;
}

/* A record that nobody was told of must be of a batch in the air, and that batch only once: it is
 * struck off. */
static enum avj_status strike_off(struct sim_list *in_air, uint64_t tag, uint64_t seq,
                                  struct avj_error *err)
{
    size_t at;

    if (tag % 8 > 0)
        return AVJ_OK; /* its first record was looked at; batches are read whole */
    if (!find(in_air, tag / 8, &at))
        return wrong(err, "stands here twice or was never told to be here", seq);
    in_air->items[at] = in_air->items[--in_air->count];
    return AVJ_OK;
}

enum avj_status sim_ledger_verify(const struct sim_ledger *ledger,
                                  const struct sim_reading *reading, struct avj_error *err)
{
    struct sim_list in_air = {0};
    enum avj_status status = AVJ_OK;

    if (ledger->broken)
        return wrong(err, "was promised to two by a sync, the first of whom is not there",
                     ledger->broken);
    if (reading->tags.count < ledger->durable)
        return avj_fail(err, AVJ_EFORMAT, "%zu records are there, %llu were told to be durable",
                        reading->tags.count, (unsigned long long)ledger->durable);
    copy_list(&in_air, &ledger->in_air);
    for (size_t i = 0; status == AVJ_OK && i < reading->tags.count; i++) {
        uint64_t told = i < ledger->at.count ? ledger->at.items[i] : 0;
        if (!told)
            status = strike_off(&in_air, reading->tags.items[i], i + 1, err);
        else if (told != reading->tags.items[i])
            status = wrong(err, "is another than was told", i + 1);
    }
    free(in_air.items);
    return status;
}

void sim_ledger_adopt(struct sim_ledger *ledger, const struct sim_reading *reading)
{
    copy_list(&ledger->at, &reading->tags);
    ledger->in_air.count = 0;
    ledger->durable = reading->tags.count;
}
