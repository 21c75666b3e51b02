/*
 * zstd alone on the records of a journal, in the blocks in which the journal has them: a block a
 * frame.  What decompressing these takes, in one thread, is the limit of everything that reads the
 * whole log.
 */
#include "tests/bench/life/child.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LEVEL 3

struct block {
    uint8_t *data;
    size_t len, raw;
};

struct blocks {
    struct block *all;
    size_t count, cap;
    uint64_t raw;
    ZSTD_CCtx *zstd;
    uint8_t *in, *out;
    size_t used;
};

static void end_block(struct blocks *b)
{
    size_t cap = ZSTD_compressBound(AVJ_FRAME_RAW_MAX), len;
    struct block *block;

    if (b->used == 0)
        return;
    if (b->count == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 1024;
        b->all = realloc(b->all, b->cap * sizeof *b->all);
        if (!b->all)
            bench_die("out of memory");
    }
    len = ZSTD_compressCCtx(b->zstd, b->out, cap, b->in, b->used, LEVEL);
    if (ZSTD_isError(len))
        bench_die("zstd failed");
    block = &b->all[b->count++];
    *block = (struct block){bench_calloc(1, len), len, b->used};
    memcpy(block->data, b->out, len);
    b->raw += b->used;
    b->used = 0;
}

static void read_blocks(struct blocks *b, struct avj_journal *journal)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err;
    enum avj_status status;
    uint64_t segment = 0, offset = 0;

    bench_ok(avj_cursor_open(journal, 0, &cursor, &err), &err, "zstd");
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        if (record.segment != segment || record.offset != offset)
            end_block(b);
        segment = record.segment;
        offset = record.offset;
        memcpy(b->in + b->used, record.data, record.len);
        b->used += record.len;
    }
    if (status != AVJ_END)
        bench_ok(status, &err, "zstd");
    end_block(b);
    avj_cursor_close(cursor);
}

static uint64_t decompress(const struct blocks *b, uint8_t *back)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    uint64_t start = bench_now_ns(), ns;

    for (size_t i = 0; i < b->count; i++)
        if (ZSTD_decompressDCtx(zstd, back, AVJ_FRAME_RAW_MAX, b->all[i].data, b->all[i].len) !=
            b->all[i].raw)
            bench_die("zstd failed");
    ns = bench_now_ns() - start;
    ZSTD_freeDCtx(zstd);
    return ns;
}

/* Argument: how often. */
void child_zstd(const struct child *child)
{
    const struct avj_journal_options options = {.read_only = true};
    size_t runs = child_number(child, 0);
    uint64_t *ns = bench_calloc(runs, sizeof *ns);
    struct blocks b = {.zstd = ZSTD_createCCtx()};
    struct avj_journal *journal;
    struct avj_error err;

    b.in = bench_calloc(1, AVJ_FRAME_RAW_MAX);
    b.out = bench_calloc(1, ZSTD_compressBound(AVJ_FRAME_RAW_MAX));
    bench_ok(avj_journal_open(child->dir, &options, &journal, &err), &err, "zstd");
    read_blocks(&b, journal);
    for (size_t i = 0; i < runs; i++)
        ns[i] = decompress(&b, b.in);
    child_say("ns", child_percentile(ns, runs, 50));
    child_say("raw", b.raw);
    child_say("blocks", b.count);
}
