/* The bytes are a segment file, first as they are, then with the header's hash put right. */
#include "tests/fuzz/fuzz.h"

#include "journal/format.h"

#include <string.h>

static void with_good_header(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);

    fuzz_require(copy, "out of memory");
    memcpy(copy, data, size);
    avj_hash128(copy, AVJ_SEGMENT_HASH_OFFSET, copy + AVJ_SEGMENT_HASH_OFFSET);
    fuzz_read_segment(copy, size);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin();
    fuzz_read_segment(data, size);
    if (size >= AVJ_SEGMENT_HEADER_LEN)
        with_good_header(data, size);
    fuzz_end(size);
    return 0;
}
