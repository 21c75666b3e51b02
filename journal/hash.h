/* XXH3-128 of bytes that come in pieces (libxxhash).  Threading: one thread a stream. */
#ifndef AVJ_HASH_H
#define AVJ_HASH_H

#include <stddef.h>
#include <stdint.h>

struct avj_hash_stream;

struct avj_hash_stream *avj_hash_stream_new(void); /* NULL: out of memory */
void avj_hash_stream_free(struct avj_hash_stream *stream);
void avj_hash_stream_add(struct avj_hash_stream *stream, const void *data, size_t len);
/* Of all that was added, as avj_hash128 gives it. */
void avj_hash_stream_end(const struct avj_hash_stream *stream, uint8_t out[16]);

#endif
