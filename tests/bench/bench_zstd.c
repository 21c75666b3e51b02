/* zstd alone, one thread, nothing written: the limit of a compressed log. */
#include "tests/bench/bench.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define BLOCK_64K ((size_t)65536)

/* Where the next block begins: an item, and for blocks that cut items an offset in it. */
struct blocks {
    const struct bench *bench;
    enum bench_blocks kind;
    size_t item, offset;
};

static size_t take_items(struct blocks *b, uint8_t *out, size_t cap, size_t count)
{
    size_t end = bench_batch_end(b->bench, b->item, count), len = 0;

    for (; b->item < end; b->item++) {
        const struct avj_slice *entry = &b->bench->items[b->item].entry;
        if (entry->len > cap - len)
            bench_die("zstd: a batch is larger than a frame may be");
        memcpy(out + len, entry->data, entry->len);
        len += entry->len;
    }
    return len;
}

static size_t take_bytes(struct blocks *b, uint8_t *out, size_t want)
{
    size_t len = 0;

    while (len < want && b->item < b->bench->count) {
        const struct avj_slice *entry = &b->bench->items[b->item].entry;
        size_t n = entry->len - b->offset;
        if (n > want - len)
            n = want - len;
        memcpy(out + len, (const uint8_t *)entry->data + b->offset, n);
        len += n;
        b->offset += n;
        if (b->offset == entry->len) {
            b->item++;
            b->offset = 0;
        }
    }
    return len;
}

static size_t next_block(struct blocks *b, uint8_t *out, size_t cap)
{
    switch (b->kind) {
    case BENCH_BLOCKS_64K:
        return take_bytes(b, out, BLOCK_64K);
    case BENCH_BLOCKS_MESSAGE:
        return take_items(b, out, cap, 1);
    case BENCH_BLOCKS_BATCH:
        break;
    }
    return take_items(b, out, cap, BENCH_BATCH);
}

struct bench_zstd bench_zstd(const struct bench *bench, enum bench_blocks kind)
{
    size_t cap = AVJ_FRAME_RAW_MAX, out_cap = ZSTD_compressBound(cap), len;
    uint8_t *in = bench_calloc(1, cap), *out = bench_calloc(1, out_cap);
    uint8_t *back = bench_calloc(1, cap);
    ZSTD_CCtx *compress = ZSTD_createCCtx();
    ZSTD_DCtx *decompress = ZSTD_createDCtx();
    struct blocks blocks = {bench, kind, 0, 0};
    struct bench_zstd sum = {0};

    while ((len = next_block(&blocks, in, cap)) > 0) {
        uint64_t cpu = bench_cpu_ns(), start = bench_now_ns(), middle;
        size_t stored = ZSTD_compressCCtx(compress, out, out_cap, in, len, bench->level);
        sum.compress_ns += bench_now_ns() - start;
        sum.compress_cpu_ns += bench_cpu_ns() - cpu;
        middle = bench_now_ns();
        if (ZSTD_isError(stored) || ZSTD_decompressDCtx(decompress, back, cap, out, stored) != len)
            bench_die("zstd failed");
        sum.decompress_ns += bench_now_ns() - middle;
        sum.raw += len;
        sum.stored += stored;
    }
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
    free(in);
    free(out);
    free(back);
    return sum;
}
