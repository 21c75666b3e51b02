/*
 * Open documents as bytes, for snapshots: one msgpack list a document.  They are read back by the
 * program that wrote them, from a file whose hashes were verified.
 *
 * Threading: pure functions.
 */
#ifndef AVJ_OPEN_H
#define AVJ_OPEN_H

#include "replay/document.h"

void avj_open_pack(const struct avj_document *document, struct avj_pack *out);
/* AVJ_EFORMAT, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_open_unpack(const void *data, size_t len,
                                            struct avj_document **out);

#endif
