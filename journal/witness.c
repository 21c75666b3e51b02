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

static const char magics[2][5] = {[AVJ_SLOT_WITNESS] = "AVJW", [AVJ_SLOT_MARK] = "AVJM"};

void avj_witness_encode(enum avj_slot_kind kind, const struct avj_sync_witness *w,
                        const uint8_t journal_id[16], uint8_t out[AVJ_WITNESS_SLOT])
{
    memset(out, 0, AVJ_WITNESS_SLOT);
    memcpy(out, magics[kind], 4);
    avj_put_le32(out + 4, w->process);
    avj_put_le64(out + 8, w->segment_no);
    avj_put_le64(out + 16, w->offset);
    avj_put_le64(out + 24, w->seq);
    avj_put_le64(out + 32, w->chain);
    memcpy(out + 40, w->boot_id, 16);
    avj_put_le64(out + 56, slot_hash(out, journal_id));
}

static void decode(const uint8_t in[AVJ_WITNESS_SLOT], enum avj_slot_kind kind,
                   const uint8_t journal_id[16], struct avj_sync_witness *w)
{
    memset(w, 0, sizeof(*w));
    if (memcmp(in, magics[kind], 4) != 0 || avj_get_le64(in + 56) != slot_hash(in, journal_id))
        return;
    w->valid = true;
    w->process = avj_get_le32(in + 4);
    w->segment_no = avj_get_le64(in + 8);
    w->offset = avj_get_le64(in + 16);
    w->seq = avj_get_le64(in + 24);
    w->chain = avj_get_le64(in + 32);
    memcpy(w->boot_id, in + 40, 16);
}

static bool is_later(const struct avj_sync_witness *a, const struct avj_sync_witness *b)
{
    return a->segment_no != b->segment_no ? a->segment_no > b->segment_no : a->offset > b->offset;
}

void avj_sync_state_load(const struct avj_io *io, int file, const uint8_t journal_id[16],
                         struct avj_sync_state *state)
{
    memset(state, 0, sizeof(*state));
    uint8_t slots[(AVJ_WITNESS_SLOTS + 1) * AVJ_WITNESS_SLOT] = {0};
    size_t got;
    if (file < 0 || avj_io_read_full(io, file, slots, sizeof(slots), 0, &got) != 0)
        return;
    for (unsigned i = 0; i < AVJ_WITNESS_SLOTS; i++) {
        struct avj_sync_witness w;
        decode(slots + i * AVJ_WITNESS_SLOT, AVJ_SLOT_WITNESS, journal_id, &w);
        if (w.valid && (!state->witness.valid || is_later(&w, &state->witness))) {
            state->witness = w;
            state->older = 1 - i;
        }
    }
    decode(slots + AVJ_WITNESS_SLOTS * AVJ_WITNESS_SLOT, AVJ_SLOT_MARK, journal_id, &state->mark);
    state->witness.marked = state->mark.valid;
}

bool avj_sync_unsettled(const struct avj_sync_state *state, uint64_t segment_no,
                        const uint8_t boot_id[16])
{
    const struct avj_sync_witness *mark = &state->mark, *witness = &state->witness;
    if (!mark->valid || mark->segment_no != segment_no || memcmp(mark->boot_id, boot_id, 16) != 0)
        return false;
    return !witness->valid || witness->segment_no < segment_no ||
           (witness->segment_no == segment_no && witness->offset < mark->offset);
}

void avj_witness_load(const struct avj_io *io, int file, const uint8_t journal_id[16],
                      struct avj_sync_witness *witness)
{
    struct avj_sync_state state;
    avj_sync_state_load(io, file, journal_id, &state);
    *witness = state.witness;
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
    struct avj_sync_state state;
    uint8_t boot_id[16];
    io->boot_id(io->ctx, boot_id);
    avj_sync_state_load(io, file, header.journal_id, &state);
    io->close(io->ctx, file);
    *witness = state.witness;
    if (avj_sync_unsettled(&state, state.mark.segment_no, boot_id))
        witness->unsettled = state.mark.segment_no;
    return AVJ_OK;
}
