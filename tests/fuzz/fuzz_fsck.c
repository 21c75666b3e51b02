/*
 * The bytes are a journal and what befell it: a byte of options, records behind their lengths (as
 * fuzz_entries.c has them; a length of 0xfffe begins a segment, 0xffff ends the records), and then
 * damage, four bytes each: file, how, where.  The checker must come to an end, in little memory,
 * with an exit code that its findings explain; read twice it says the same; and where nothing
 * befell the files no frame is called damaged.
 */
#include "tests/fuzz/fuzz.h"

#include "fsck/fsck.h"
#include "tests/support/mem_io.h"

#include <string.h>

#define DIR         "j"
#define RECORDS_MAX 64
#define HARMS_MAX   32

enum { OPTION_DEEP = 1, OPTION_AUDIT = 2, OPTION_SEAL = 4, OPTION_NO_WITNESS = 8 };

/* ---- making it ---- */

static void append(struct avj_journal *journal, const uint8_t *data, size_t len)
{
    struct avj_slice record = {data, len};
    struct avj_error err = {0};
    fuzz_require(avj_journal_append(journal, &record, 1, AVJ_DURABLE, NULL, &err) == AVJ_OK, "%s",
                 err.message);
}

static void rotate(struct avj_journal *journal)
{
    struct avj_error err = {0};
    fuzz_require(avj_journal_rotate(journal, &err) == AVJ_OK, "%s", err.message);
}

static void write_records(struct avj_journal *journal, struct fuzz_bytes *in)
{
    for (int n = 0; n < RECORDS_MAX && in->len > 0; n++) {
        uint32_t len = fuzz_number(in, 2);
        if (len == 0xffff)
            return;
        if (len == 0xfffe) {
            rotate(journal);
            continue;
        }
        if (len > in->len)
            len = (uint32_t)in->len;
        append(journal, in->data, len);
        in->data += len;
        in->len -= len;
    }
}

static void make(struct mem_io *mem, unsigned options, struct fuzz_bytes *in)
{
    struct avj_journal_options o = {.io = mem_io_table(mem), .no_background = true};
    struct avj_journal *journal;
    struct avj_error err = {0};
    fuzz_require(avj_journal_create(DIR, &o, &err) == AVJ_OK, "%s", err.message);
    fuzz_require(avj_journal_open(DIR, &o, &journal, &err) == AVJ_OK, "%s", err.message);
    write_records(journal, in);
    if (options & OPTION_SEAL) {
        rotate(journal);
        fuzz_require(avj_journal_maintain(journal, NULL, NULL, &err) == AVJ_OK, "%s", err.message);
    }
    avj_journal_close(journal);
    if (options & OPTION_NO_WITNESS)
        mem_io_remove(mem, DIR "/sync");
}

/* ---- what befalls it ---- */

static const char *file_of(struct mem_io *mem, uint8_t number)
{
    size_t count = 0;
    while (mem_io_name(mem, count))
        count++;
    return count ? mem_io_name(mem, number % count) : NULL;
}

static void harm(struct mem_io *mem, struct fuzz_bytes *in)
{
    const char *borrowed = file_of(mem, fuzz_byte(in));
    char name[256];
    uint8_t how = fuzz_byte(in);
    size_t at = fuzz_number(in, 2), len;
    snprintf(name, sizeof name, "%s", borrowed ? borrowed : "");
    uint8_t *data = borrowed ? mem_io_data(mem, name, &len) : NULL;
    if (!data || len == 0)
        return;
    switch (how & 7) {
    case 0:
        mem_io_resize(mem, name, at % (len + 1));
        return;
    case 1:
        mem_io_remove(mem, name);
        return;
    case 2:
        memset(data + at % len, 0, len - at % len);
        return;
    case 3:
        mem_io_resize(mem, name, len + at % 9000);
        return;
    default:
        data[at % len] ^= how;
    }
}

/* ---- checking it ---- */

struct told {
    uint64_t findings, by_severity[FSCK_SEVERITIES], frames_damaged;
    struct fsck_summary summary;
};

static void tell_finding(void *arg, const struct fsck_finding *f)
{
    struct told *told = arg;
    const struct fsck_kind *kind = fsck_kind(f->code);
    told->findings++;
    told->by_severity[kind->severity]++;
    if (kind->severity == FSCK_DAMAGED && (kind->phase == FSCK_FRAMES || kind->phase == FSCK_CHAIN))
        told->frames_damaged++;
    fuzz_require(memchr(f->detail, 0, sizeof f->detail), "a detail without an end");
}

static void tell_summary(void *arg, const struct fsck_summary *summary)
{
    ((struct told *)arg)->summary = *summary;
}

static void check(struct mem_io *mem, unsigned options, struct told *told)
{
    struct fsck_options o = {.io = mem_io_table(mem),
                             .deep = (options & OPTION_DEEP) != 0,
                             .audit = (options & OPTION_AUDIT) != 0,
                             .audit_of = FSCK_OF_ALL};
    struct fsck_sink sink = {.arg = told, .finding = tell_finding, .summary = tell_summary};
    struct avj_error err = {0};
    memset(told, 0, sizeof *told);
    int code = fsck_run(DIR, &o, &sink, &err);
    const int known = FSCK_DAMAGE | FSCK_FAILED | FSCK_TAIL;
    fuzz_require(code == told->summary.exit_code && !(code & ~known), "exit %d", code);
    fuzz_require(!(code & FSCK_DAMAGE) == !told->by_severity[FSCK_DAMAGED], "exit %d", code);
    fuzz_require(!(code & FSCK_FAILED) || err.message[0], "failed, and nobody knows why");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};
    struct mem_io *mem = mem_io_new(1);
    struct told first, second;
    unsigned options = fuzz_byte(&in);
    int harms = 0;

    fuzz_begin();
    make(mem, options, &in);
    for (; harms < HARMS_MAX && in.len >= 4; harms++)
        harm(mem, &in);
    check(mem, options, &first);
    check(mem, options, &second);
    fuzz_require(first.findings == second.findings &&
                     memcmp(&first.summary, &second.summary, sizeof first.summary) == 0,
                 "two checks, two results");
    fuzz_require(harms || (!first.frames_damaged && !first.summary.lost_records),
                 "damage in a journal that nothing befell");
    fuzz_end(size);
    mem_io_free(mem);
    return 0;
}
