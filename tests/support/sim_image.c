/* Bytes of simulated files, copied on write: see sim_image.h. */
#include "tests/support/sim_image.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct page {
    atomic_uint refs;
    uint8_t bytes[SIM_PAGE];
};

struct sim_image {
    atomic_uint refs;
    uint64_t size;
    struct page **pages; /* NULL: zeros */
    size_t count;
};

static const uint8_t zeros[SIM_PAGE];

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void page_unref(struct page *page)
{
    if (page && atomic_fetch_sub(&page->refs, 1) == 1)
        free(page);
}

struct sim_image *sim_image_new(void)
{
    struct sim_image *image = must(calloc(1, sizeof *image));

    atomic_init(&image->refs, 1);
    return image;
}

struct sim_image *sim_image_ref(struct sim_image *image)
{
    atomic_fetch_add(&image->refs, 1);
    return image;
}

void sim_image_unref(struct sim_image *image)
{
    if (!image || atomic_fetch_sub(&image->refs, 1) != 1)
        return;
    for (size_t i = 0; i < image->count; i++)
        page_unref(image->pages[i]);
    free(image->pages);
    free(image);
}

uint64_t sim_image_size(const struct sim_image *image)
{
    return image->size;
}

/* Who alone holds an image (a page) may change it: nobody else can come to share it meanwhile,
 * since that takes the lock of the disk that holds it. */
static void own(struct sim_image **image)
{
    struct sim_image *old = *image, *copy;

    if (atomic_load(&old->refs) == 1)
        return;
    copy = sim_image_new();
    copy->size = old->size;
    copy->count = old->count;
    copy->pages = must(malloc((old->count + 1) * sizeof *copy->pages));
    for (size_t i = 0; i < old->count; i++) {
        copy->pages[i] = old->pages[i];
        if (copy->pages[i])
            atomic_fetch_add(&copy->pages[i]->refs, 1);
    }
    sim_image_unref(old);
    *image = copy;
}

static struct page *own_page(struct page **slot)
{
    struct page *old = *slot, *copy;

    if (old && atomic_load(&old->refs) == 1)
        return old;
    copy = must(malloc(sizeof *copy));
    atomic_init(&copy->refs, 1);
    memcpy(copy->bytes, old ? old->bytes : zeros, SIM_PAGE);
    page_unref(old);
    *slot = copy;
    return copy;
}

static void make_room(struct sim_image *image, size_t count)
{
    if (count <= image->count)
        return;
    image->pages = must(realloc(image->pages, count * sizeof(struct page *)));
    for (size_t i = image->count; i < count; i++)
        image->pages[i] = NULL;
    image->count = count;
}

/* How much of [offset, offset+len) lies in offset's page. */
static size_t in_page(uint64_t offset, size_t len)
{
    size_t room = SIM_PAGE - (size_t)(offset % SIM_PAGE);

    return len < room ? len : room;
}

/* The bytes at offset, up to the end of its page. */
static const uint8_t *at(const struct sim_image *image, uint64_t offset)
{
    size_t page = (size_t)(offset / SIM_PAGE), skip = (size_t)(offset % SIM_PAGE);
    bool there = page < image->count && image->pages[page];

    return (there ? image->pages[page]->bytes : zeros) + skip;
}

size_t sim_image_read(const struct sim_image *image, void *data, size_t len, uint64_t offset)
{
    size_t done = 0;

    if (offset >= image->size)
        return 0;
    if (len > image->size - offset)
        len = (size_t)(image->size - offset);
    while (done < len) {
        size_t n = in_page(offset + done, len - done);
        memcpy((uint8_t *)data + done, at(image, offset + done), n);
        done += n;
    }
    return len;
}

void sim_image_write(struct sim_image **image, const void *data, size_t len, uint64_t offset)
{
    const uint8_t *from = data;

    own(image);
    make_room(*image, (size_t)((offset + len + SIM_PAGE - 1) / SIM_PAGE));
    for (size_t done = 0; done < len;) {
        size_t n = in_page(offset + done, len - done);
        struct page **slot = &(*image)->pages[(offset + done) / SIM_PAGE];
        if (*slot || memcmp(from + done, zeros, n) != 0)
            memcpy(own_page(slot)->bytes + (offset + done) % SIM_PAGE, from + done, n);
        done += n;
    }
    sim_image_grow(image, offset + len);
}

void sim_image_grow(struct sim_image **image, uint64_t size)
{
    if (size <= (*image)->size)
        return;
    own(image);
    (*image)->size = size;
}

bool sim_image_same(const struct sim_image *image, const void *data, size_t len, uint64_t offset)
{
    for (size_t done = 0; done < len;) {
        size_t n = in_page(offset + done, len - done);
        if (memcmp((const uint8_t *)data + done, at(image, offset + done), n) != 0)
            return false;
        done += n;
    }
    return true;
}
