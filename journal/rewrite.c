/* Compaction of sealed segments: see rewrite.h. */
#include "journal/rewrite.h"
#include "journal/hash.h"
#include "journal/sampler.h"
#include "journal/sealer.h"

#include <stdlib.h>
#include <string.h>

struct rewrite {
    struct avj_journal *journal;
    const struct avj_rewriting *how;
    struct avj_rewritten *done;
    struct avj_error *err;
    struct avj_sealing with;
    struct avj_unpacker *unpacker;
    uint64_t upto_seq;

    /* Of the segment at hand: */
    struct avj_reader old;
    struct avj_segment_header here;
    struct avj_sampler sampler;
    struct avj_place from;
    struct avj_hash_stream *content; /* of what is read */
    struct avj_sealer to;
    uint64_t replaced;
    bool refused;    /* decide said so */
    uint8_t *record; /* one, behind its length */
    size_t record_room;
};

static bool must_stop(const struct rewrite *w)
{
    return w->how->stop && w->how->stop(w->how->arg);
}

static enum avj_status no_memory(const struct rewrite *w)
{
    return avj_fail(w->err, AVJ_ENOMEM, "compacting: out of memory");
}

static enum avj_status damaged(const struct rewrite *w)
{
    return avj_tail_misfit("what stands there", &w->from, w->err);
}

/* ---- reading ---- */

static enum avj_status read_frame(struct rewrite *w, uint8_t type, struct avj_frame_info *info)
{
    const uint8_t *stored;
    enum avj_damage damage;
    enum avj_at at = avj_reader_frame(&w->old, w->from.offset, UINT64_MAX, info, &stored, &damage);
    if (at == AVJ_AT_ERROR)
        return avj_fail_errno(w->err, -w->old.io_error, "segment %llu",
                              (unsigned long long)w->here.segment_no);
    if (at == AVJ_AT_END)
        return AVJ_END;
    if (at != AVJ_AT_FRAME || info->type != type || info->chain_before != w->from.chain ||
        info->first_seq != w->from.next_seq)
        return damaged(w);
    enum avj_status status = avj_unpack(w->unpacker, info, stored);
    if (status != AVJ_OK)
        return status == AVJ_ECORRUPT ? damaged(w) : no_memory(w);
    return AVJ_OK;
}

static void step(struct rewrite *w, const struct avj_frame_info *info)
{
    w->from.offset = info->offset + info->total_len;
    w->from.chain = info->chain_after;
    if (info->type == AVJ_FRAME_RECORDS)
        w->from.next_seq += info->count;
}

typedef enum avj_status take_record(struct rewrite *w, uint64_t seq,
                                    const struct avj_slice *record);

/* Gives every record, in order, up to the index. */
static enum avj_status read_records(struct rewrite *w, take_record *take)
{
    enum avj_status status = AVJ_OK;
    avj_place_begin(&w->from, &w->here);
    while (status == AVJ_OK && w->from.offset < w->here.from.index_at) {
        struct avj_frame_info info;
        struct avj_slice record, payload;
        uint64_t seq = w->from.next_seq;
        if (must_stop(w))
            return AVJ_END;
        status = read_frame(w, AVJ_FRAME_RECORDS, &info);
        if (status == AVJ_END)
            return damaged(w);
        if (status != AVJ_OK)
            return status;
        payload = avj_unpacked(w->unpacker);
        if (w->content)
            avj_hash_stream_add(w->content, payload.data, payload.len);
        while (status == AVJ_OK && avj_unpack_next(w->unpacker, &record))
            status = take(w, seq++, &record);
        if (status == AVJ_OK)
            step(w, &info);
    }
    if (status == AVJ_OK &&
        (w->from.offset != w->here.from.index_at || w->from.next_seq != w->here.from.last_seq + 1))
        return damaged(w);
    return status;
}

/* ---- deciding and writing ---- */

static enum avj_status decide(struct rewrite *w, uint64_t seq, const struct avj_slice *record,
                              struct avj_slice *instead)
{
    *instead = (struct avj_slice){0};
    enum avj_status status =
        w->how->decide(w->how->arg, seq, record->data, record->len, instead, w->err);
    w->refused = status != AVJ_OK;
    if (status == AVJ_OK && instead->data && instead->len > AVJ_RECORD_MAX)
        return avj_fail(w->err, AVJ_ETOOBIG, "compacting: record %llu would become too long",
                        (unsigned long long)seq);
    return status;
}

/* w->record becomes what is to be written for the record. */
static enum avj_status make_record(struct rewrite *w, uint64_t seq, const struct avj_slice *record,
                                   size_t *len)
{
    struct avj_slice instead;
    enum avj_status status = decide(w, seq, record, &instead);
    if (status != AVJ_OK)
        return status;
    if (instead.data)
        w->replaced++;
    else
        instead = *record;
    if (w->record_room < instead.len + 4) {
        uint8_t *room = realloc(w->record, instead.len + 4);
        if (!room)
            return no_memory(w);
        w->record = room;
        w->record_room = instead.len + 4;
    }
    *len = avj_record_put(w->record, instead.data, instead.len);
    return AVJ_OK;
}

static enum avj_status measure(struct rewrite *w, uint64_t seq, const struct avj_slice *record)
{
    size_t len = 0;
    enum avj_status status = make_record(w, seq, record, &len);
    w->sampler.total += len;
    return status;
}

static enum avj_status sample(struct rewrite *w, uint64_t seq, const struct avj_slice *record)
{
    size_t len;
    enum avj_status status = make_record(w, seq, record, &len);
    if (status == AVJ_OK)
        avj_sampler_add(&w->sampler, w->record, len);
    return status;
}

static enum avj_status copy_record(struct rewrite *w, uint64_t seq, const struct avj_slice *record)
{
    size_t len;
    enum avj_status status = make_record(w, seq, record, &len);
    return status == AVJ_OK ? avj_sealer_add(&w->to, w->record, len, 1) : status;
}

/* Of what is left: what was dropped must not live on in a dictionary. */
static enum avj_status make_dictionary(struct rewrite *w, struct avj_dictionary *dictionary)
{
    *dictionary = (struct avj_dictionary){.len = 0};
    if (!avj_sampler_pays(&w->sampler))
        return AVJ_OK;
    if (avj_sampler_begin(&w->sampler) != AVJ_OK)
        return no_memory(w);
    enum avj_status status = read_records(w, sample);
    if (status == AVJ_OK)
        avj_sampler_dictionary(&w->sampler, dictionary);
    return status;
}

/* What the index frame says is made anew; what was set aside behind it is copied. */
static enum avj_status copy_the_rest(struct rewrite *w)
{
    struct avj_frame_info info;
    uint64_t aside = 0;
    enum avj_status status = read_frame(w, AVJ_FRAME_INDEX, &info);
    while (status == AVJ_OK) {
        step(w, &info);
        status = read_frame(w, AVJ_FRAME_SET_ASIDE, &info);
        if (status == AVJ_OK) {
            struct avj_slice bytes = avj_unpacked(w->unpacker);
            aside += bytes.len;
            status = avj_sealer_set_aside(&w->to, bytes.data, bytes.len);
        }
    }
    if (status != AVJ_END)
        return status;
    return aside == w->here.from.set_aside_bytes ? AVJ_OK : damaged(w);
}

static enum avj_status copy_all(struct rewrite *w)
{
    uint8_t content[16];
    enum avj_status status = read_records(w, copy_record);
    if (status != AVJ_OK)
        return status;
    avj_hash_stream_end(w->content, content);
    if (memcmp(content, w->here.from.content, 16) != 0)
        return damaged(w);
    status = avj_sealer_end_records(&w->to);
    return status == AVJ_OK ? copy_the_rest(w) : status;
}

static enum avj_status write_anew(struct rewrite *w)
{
    struct avj_segment_header header = w->here;
    if (!w->here.compacted)
        memcpy(header.compaction.sealed_content, w->here.from.content, 16);
    header.compacted = true;
    header.compaction.ms = w->with.io->now_ms(w->with.io->ctx);
    struct avj_dictionary dictionary;
    enum avj_status status = make_dictionary(w, &dictionary);
    w->replaced = 0;
    w->to = (struct avj_sealer){.draft.file = -1};
    if (status == AVJ_OK)
        status = avj_sealer_begin(&w->to, &w->with, "compacting", &header, &dictionary, w->err);
    w->content = avj_hash_stream_new();
    if (status == AVJ_OK)
        status = w->content ? copy_all(w) : no_memory(w);
    w->to.header.compaction.replaced += w->replaced;
    if (status == AVJ_OK && w->replaced)
        status = avj_sealer_publish(&w->to);
    avj_sealer_release(&w->to);
    avj_hash_stream_free(w->content);
    w->content = NULL;
    return status;
}

/* ---- segments ---- */

/* AVJ_END: it is left as it is. */
static enum avj_status rewrite_segment(struct rewrite *w, uint64_t number, uint64_t *bytes)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(w->with.path, number, ".seg", name);
    avj_reader_release(&w->old);
    enum avj_status status = avj_reader_open(&w->old, name, &w->here, w->err);
    if (status != AVJ_OK)
        return status;
    const struct avj_segment_header *h = &w->here;
    int64_t size = avj_reader_size(&w->old);
    if (size < 0)
        return avj_fail_errno(w->err, (int)-size, "%s", name);
    *bytes = (uint64_t)size;
    if (!h->sealed || h->segment_no != number || h->from.last_seq > w->upto_seq ||
        (h->ro_compat & ~AVJ_RO_COMPAT_KNOWN) ||
        (w->how->wanted && !w->how->wanted(w->how->arg, h->first_seq, h->from.last_seq, *bytes)))
        return AVJ_END;
    struct avj_dictionary dictionary;
    status = avj_reader_dictionary(&w->old, h, &dictionary, w->err);
    if (status == AVJ_OK && avj_unpacker_dictionary(w->unpacker, &dictionary) != AVJ_OK)
        status = no_memory(w);
    w->replaced = 0;
    if (status == AVJ_OK)
        status = read_records(w, measure);
    if (status == AVJ_OK)
        status = w->replaced ? write_anew(w) : AVJ_END;
    avj_sampler_release(&w->sampler);
    return status;
}

/* A damaged segment stays as it is and is none of this call's failures: avchat-fsck tells of it. */
static enum avj_status take_segment(struct rewrite *w, uint64_t number)
{
    struct avj_error *err = w->err, why = {0};
    uint64_t before = 0;
    w->err = &why;
    enum avj_status status = rewrite_segment(w, number, &before);
    w->err = err;
    if (status == AVJ_OK) {
        w->done->segments++;
        w->done->records += w->replaced;
        w->done->bytes_before += before;
        w->done->bytes_after += avj_segment_size(w->journal, number);
    }
    if (w->refused)
        return avj_fail(err, status, "%s", why.message);
    if (status == AVJ_OK || status == AVJ_END)
        return AVJ_OK;
    if (status == AVJ_ECORRUPT || status == AVJ_EVERSION) {
        w->done->damaged++;
        return AVJ_OK;
    }
    return avj_fail(err, status, "%s", why.message);
}

static enum avj_status take_all(struct rewrite *w)
{
    struct avj_segment_entry *list;
    size_t count;
    enum avj_status status =
        avj_list_segments(w->with.io, w->with.path, &list, &count, NULL, NULL, w->err);
    for (size_t i = 0; status == AVJ_OK && i < count && !must_stop(w); i++) {
        status = take_segment(w, list[i].number);
        if (status == AVJ_OK && w->how->progress)
            w->how->progress(w->how->arg, i + 1, count);
    }
    free(list);
    return status;
}

static enum avj_status with_tools(struct rewrite *w)
{
    avj_reader_init(&w->old, w->with.io);
    w->with.packer = avj_packer_new(AVJ_LEVEL_SEALING);
    w->unpacker = avj_unpacker_new();
    enum avj_status status = w->with.packer && w->unpacker ? take_all(w) : no_memory(w);
    avj_packer_free(w->with.packer);
    avj_unpacker_free(w->unpacker);
    avj_reader_release(&w->old);
    free(w->record);
    return status;
}

enum avj_status avj_journal_rewrite(struct avj_journal *journal, uint64_t upto_seq,
                                    const struct avj_rewriting *how, struct avj_rewritten *done,
                                    struct avj_error *err)
{
    struct avj_rewritten ignored;
    struct rewrite w = {
        .journal = journal,
        .how = how,
        .done = done ? done : &ignored,
        .err = err,
        .with = {.io = journal->io, .path = journal->path, .stop = how->stop, .arg = how->arg},
        .upto_seq = upto_seq,
    };
    int lock;
    memset(w.done, 0, sizeof(*w.done));
    enum avj_status status = avj_seal_lock(journal, &lock, err);
    if (status != AVJ_OK)
        return status;
    status = with_tools(&w);
    avj_seal_unlock(journal, lock);
    return status;
}
