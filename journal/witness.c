/* The slots of file `sync`: see witness.h; the layout is FORMAT.md's. */
#include "journal/witness.h"
#include "journal/bytes.h"
#include "journal/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The hash covers the journal's id too, so that a slot of another journal is none. */
static uint64_t slot_hash(const uint8_t slot[AVJ_WITNESS_SLOT], const uint8_t journal_id[16])
{
    uint8_t bytes[AVJ_WITNESS_SLOT - 8 + 16];
    memcpy(bytes, slot, AVJ_WITNESS_SLOT - 8);
    memcpy(bytes + AVJ_WITNESS_SLOT - 8, journal_id, 16);
    return avj_hash64(bytes, sizeof(bytes));
}

void avj_witness_encode(const struct avj_sync_witness *w, const uint8_t journal_id[16],
                        uint8_t out[AVJ_WITNESS_SLOT])
{
    memset(out, 0, AVJ_WITNESS_SLOT);
    memcpy(out, "AVJW", 4);
    avj_put_le64(out + 8, w->segment_no);
    avj_put_le64(out + 16, w->offset);
    avj_put_le64(out + 24, w->seq);
    avj_put_le64(out + 32, w->chain);
    memcpy(out + 40, w->boot_id, 16);
    avj_put_le64(out + 56, slot_hash(out, journal_id));
}

static bool decode(const uint8_t in[AVJ_WITNESS_SLOT], const uint8_t journal_id[16],
                   struct avj_sync_witness *w)
{
    if (memcmp(in, "AVJW", 4) != 0 || avj_get_le64(in + 56) != slot_hash(in, journal_id))
        return false;
    w->valid = true;
    w->segment_no = avj_get_le64(in + 8);
    w->offset = avj_get_le64(in + 16);
    w->seq = avj_get_le64(in + 24);
    w->chain = avj_get_le64(in + 32);
    memcpy(w->boot_id, in + 40, 16);
    return true;
}

void avj_witness_load(const struct avj_io *io, int file, const uint8_t journal_id[16],
                      struct avj_sync_witness *witness)
{
    memset(witness, 0, sizeof(*witness));
    uint8_t slots[2 * AVJ_WITNESS_SLOT] = {0};
    size_t got;
    if (avj_io_read_full(io, file, slots, sizeof(slots), 0, &got) != 0)
        return;
    for (size_t i = 0; i < 2; i++) {
        struct avj_sync_witness w = {0};
        if (decode(slots + i * AVJ_WITNESS_SLOT, journal_id, &w) && w.seq >= witness->seq)
            *witness = w;
    }
}

enum avj_status avj_read_sync_witness(const struct avj_io *io, const char *path,
                                      struct avj_sync_witness *witness, struct avj_error *err)
{
    memset(witness, 0, sizeof(*witness));
    struct avj_segment_entry *segments;
    size_t count;
    enum avj_status status = avj_list_segments(io, path, &segments, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    char name[4200];
    struct avj_segment_header header;
    bool known = false;
    for (size_t i = 0; i < count && !known; i++) {
        snprintf(name, sizeof(name), "%s/segments/%s", path, segments[i].name);
        known = avj_read_segment_header(io, name, &header, NULL) == AVJ_OK;
    }
    free(segments);
    snprintf(name, sizeof(name), "%s/" AVJ_WITNESS_FILE, path);
    int file = io->open(io->ctx, name, AVJ_OPEN_READ);
    if (file < 0 || !known) {
        if (file >= 0)
            io->close(io->ctx, file);
        return AVJ_OK; /* no witness is a weaker verdict, not a failure */
    }
    avj_witness_load(io, file, header.journal_id, witness);
    io->close(io->ctx, file);
    return AVJ_OK;
}
