/*
 * The bytes of a simulated file, shared and copied on write: a crash state of a disk shares all
 * that the crash did not touch.  What was never written reads as zeros and takes no memory.
 *
 * Threading: an image belongs to its disk's lock; the counts are atomic because images of several
 * disks share pages.
 */
#ifndef TEST_SIM_IMAGE_H
#define TEST_SIM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PAGE ((size_t)4096)

struct sim_image;

struct sim_image *sim_image_new(void);
struct sim_image *sim_image_ref(struct sim_image *image);
void sim_image_unref(struct sim_image *image); /* NULL is allowed */

uint64_t sim_image_size(const struct sim_image *image);
/* Bytes read; fewer than len at the end. */
size_t sim_image_read(const struct sim_image *image, void *data, size_t len, uint64_t offset);
/* Writes, growing the file; *image is replaced where it is shared. */
void sim_image_write(struct sim_image **image, const void *data, size_t len, uint64_t offset);
/* At least that size: what is new are zeros. */
void sim_image_grow(struct sim_image **image, uint64_t size);
/* Would writing this change nothing but the size? */
bool sim_image_same(const struct sim_image *image, const void *data, size_t len, uint64_t offset);

#endif
