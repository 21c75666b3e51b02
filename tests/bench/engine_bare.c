/*
 * The bare limits of a durable append: one pwrite and one fdatasync, nothing else.  In a file that
 * grows, each sync commits the file's new size too; in one that was written full of zeros before,
 * it does not.  The third goes around the page cache (O_DIRECT, O_DSYNC): whole blocks, the last
 * one written again until it is full, one system call.
 */
#include "tests/bench/engines.h"
#include "tests/support/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ((size_t)4096)

struct bare {
    int file;
    off_t at;
    uint8_t *blocks; /* O_DIRECT: from the block that holds `at` on */
};

static const size_t blocks_len = 2 * AVJ_FRAME_RAW_MAX;

static void write_all(int file, const void *data, size_t len, off_t at)
{
    if (pwrite(file, data, len, at) != (ssize_t)len)
        bench_die("writing a bare file failed");
}

static void write_zeros(int file, uint64_t bytes)
{
    static const char zeros[65536];

    for (uint64_t at = 0; at < bytes; at += sizeof zeros)
        write_all(file, zeros, sizeof zeros, (off_t)at);
    if (fsync(file) < 0)
        bench_die("syncing a bare file failed");
}

static int open_file(const char *path, int flags)
{
    int file = open(path, O_RDWR | O_CLOEXEC | flags, 0600);

    if (file < 0)
        bench_die("can not open %s", path);
    return file;
}

static void *open_bare(const struct engine *engine, const struct engine_place *place)
{
    struct bare *bare = bench_calloc(1, sizeof *bare);
    char *path = test_path(place->dir, "bare");

    bare->file = open_file(path, O_CREAT | O_EXCL);
    if (engine != &engine_bare_growing)
        write_zeros(bare->file, place->bytes + BLOCK);
#ifdef O_DIRECT
    if (engine == &engine_bare_direct) {
        close(bare->file);
        bare->file = open_file(path, O_DIRECT | O_DSYNC);
        bare->blocks = aligned_alloc(BLOCK, blocks_len);
        if (!bare->blocks)
            bench_die("out of memory");
        memset(bare->blocks, 0, blocks_len);
    }
#endif
    free(path);
    return bare;
}

static void append(void *state, const struct bench_item *items, size_t count)
{
    struct bare *bare = state;

    for (size_t i = 0; i < count; i++) {
        write_all(bare->file, items[i].entry.data, items[i].entry.len, bare->at);
        bare->at += (off_t)items[i].entry.len;
    }
    if (fdatasync(bare->file) < 0)
        bench_die("syncing a bare file failed");
}

static void append_direct(void *state, const struct bench_item *items, size_t count)
{
    struct bare *bare = state;
    size_t begin = (size_t)bare->at % BLOCK, end = begin, whole;

    for (size_t i = 0; i < count; i++) {
        if (items[i].entry.len > blocks_len - end)
            bench_die("too much for one write");
        memcpy(bare->blocks + end, items[i].entry.data, items[i].entry.len);
        end += items[i].entry.len;
    }
    whole = (end + BLOCK - 1) / BLOCK * BLOCK;
    write_all(bare->file, bare->blocks, whole, bare->at - (off_t)begin);
    bare->at += (off_t)(end - begin);
    memmove(bare->blocks, bare->blocks + end / BLOCK * BLOCK, end % BLOCK);
    memset(bare->blocks + end % BLOCK, 0, whole - end % BLOCK);
}

static void close_bare(void *state)
{
    struct bare *bare = state;

    close(bare->file);
    free(bare->blocks);
    free(bare);
}

const struct engine engine_bare_growing = {
    .name = "pwrite+fdatasync",
    .uses = ENGINE_DURABLE,
    .open = open_bare,
    .append = append,
    .close = close_bare,
};

const struct engine engine_bare_zeroed = {
    .name = "pwrite+fdatasync-zeroed",
    .uses = ENGINE_DURABLE,
    .open = open_bare,
    .append = append,
    .close = close_bare,
};

const struct engine engine_bare_direct = {
    .name = "direct-dsync-zeroed",
#ifdef O_DIRECT
    .uses = ENGINE_DURABLE,
#endif
    .open = open_bare,
    .append = append_direct,
    .close = close_bare,
};
