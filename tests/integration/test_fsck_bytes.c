/* The checker against every small damage there can be, one after the other: none may go unnoticed.
 */
#include "tests/integration/fsck_case.h"

/* ---- damage, exhaustively ---- */

/* True when the run found damage or a torn tail; the view must never be said to be complete then.
 */
static bool found(const struct seen *seen)
{
    return (seen->code & (FSCK_DAMAGE | FSCK_TAIL)) != 0 && seen->findings > 0 &&
           ((seen->code & FSCK_DAMAGE) == 0 || !seen->summary.ok);
}

static void flip_and_check(const char *dir, const char *path, uint64_t offset, unsigned bit)
{
    struct seen seen;

    test_flip(path, offset, (uint8_t)(1u << bit));
    check(dir, &seen);
    test_flip(path, offset, (uint8_t)(1u << bit));
    if (found(&seen) && (seen.code & FSCK_DAMAGE))
        return;
    print_message("%s: bit %u of byte %llu was not found\n", path, bit, (unsigned long long)offset);
    print_seen(&seen);
    fail();
}

static void every_flipped_bit_of_every_frame_is_found(void **state)
{
    struct fixture *f = *state;

    for (unsigned s = 1; s <= SEGMENTS; s++) {
        char *path = segment_path(f->dir, s);
        uint64_t size = test_file_size(path);
        for (uint64_t offset = HEADER; offset < size; offset++)
            for (unsigned bit = 0; bit < 8; bit++)
                flip_and_check(f->dir, path, offset, bit);
        free(path);
    }
}

static void every_flipped_bit_of_a_segment_header_is_found(void **state)
{
    struct fixture *f = *state;
    char *path = segment_path(f->dir, 2);

    /* All bits where fields are, one of each byte of the filling behind them. */
    for (uint64_t offset = 0; offset < HEADER; offset++)
        for (unsigned bit = 0; bit < 8; bit++)
            if (offset < 160 || offset >= HEADER - 16 || bit == offset % 8)
                flip_and_check(f->dir, path, offset, bit);
    free(path);
}

static void every_truncation_is_found(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    for (unsigned s = 1; s <= SEGMENTS; s++) {
        char *path = segment_path(f->dir, s);
        size_t size;
        uint8_t *data = test_read_file(path, &size);
        for (size_t len = 0; len < size; len += 8) {
            test_truncate_file(path, len);
            check(f->dir, &seen);
            test_write_file(path, data, size);
            if (!(seen.code & FSCK_DAMAGE) || seen.summary.ok) {
                print_message("segment %u cut to %zu bytes was not found\n", s, len);
                print_seen(&seen);
                fail();
            }
        }
        free(data);
        free(path);
    }
}

static void every_zeroed_sector_is_found(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    static const uint8_t zeros[512];

    for (unsigned s = 1; s <= SEGMENTS; s++) {
        char *path = segment_path(f->dir, s);
        size_t size;
        uint8_t *data = test_read_file(path, &size);
        uint8_t *copy = malloc(size);
        for (size_t at = 0; at < size; at += 64) {
            size_t len = size - at < sizeof zeros ? size - at : sizeof zeros;
            memcpy(copy, data, size);
            memset(copy + at, 0, len);
            if (memcmp(copy, data, size) == 0)
                continue; /* there were only zeros */
            test_write_file(path, copy, size);
            check(f->dir, &seen);
            if (!(seen.code & FSCK_DAMAGE)) {
                print_message("segment %u with zeros at %zu was not found\n", s, at);
                print_seen(&seen);
                fail();
            }
        }
        test_write_file(path, data, size);
        free(copy);
        free(data);
        free(path);
    }
}

/* A frame written over another place of the log, or behind it, is none there. */
static void every_frame_is_bound_to_its_place(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    char *path = segment_path(f->dir, 2);
    size_t size;
    uint8_t *data = test_read_file(path, &size);
    uint64_t total = 64 + (avj_get_le32(data + HEADER + 8) + 7) / 8 * 8 + 8;

    for (size_t at = HEADER + 8; at + total <= size; at += 8) {
        uint8_t *copy = malloc(size);
        memcpy(copy, data, size);
        memcpy(copy + at, data + HEADER, total);
        test_write_file(path, copy, size);
        check(f->dir, &seen);
        assert_true(seen.code & FSCK_DAMAGE);
        free(copy);
    }
    free(data);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE(every_truncation_is_found),
        WHOLE(every_zeroed_sector_is_found),
        WHOLE(every_frame_is_bound_to_its_place),
        WHOLE(every_flipped_bit_of_a_segment_header_is_found),
        WHOLE(every_flipped_bit_of_every_frame_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
