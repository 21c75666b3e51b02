/* Frames and chain: see fsck_check.h. */
#include "fsck/fsck_check.h"

#include <stdio.h>
#include <string.h>

/* Damage whose loss is not measured yet, because nothing intact was seen behind it. */
#define OPEN_MAX 16

struct check {
    const struct fsck_checking *with;
    struct avj_error *err;
    uint64_t expected; /* sequence number that comes next */
    struct fsck_finding *open[OPEN_MAX];
    size_t open_count;
    bool broken; /* something is missing at `expected`: close_at() measures it */
    bool blind;  /* it is not missing, it may not be read */
    uint64_t total_bytes, done_bytes;
    enum avj_status trouble; /* worst that did not end the check */
    struct avj_error trouble_err;
    bool witness_met; /* its place is in the log and says the same */

    /* the segment at hand */
    struct fsck_segment *segment;
    const struct fsck_segment *before; /* in the list of files; NULL: none */
    /* What frames that do not unpack need is damaged, and that was told: they are its loss. */
    bool explained;
    struct fsck_finding *cause; /* NULL: not kept */
    bool followed;              /* last_end and last_chain hold */
    uint64_t last_end, last_chain;
    struct avj_frame_info frame; /* the last one met */
};

/* ---- lost ranges ---- */

static struct fsck_finding *report(struct check *c, enum fsck_code code, uint64_t offset,
                                   uint64_t length)
{
    struct fsck_finding *finding = fsck_findings_add(c->with->findings, code);
    if (finding && c->segment) {
        finding->segment = c->segment->number;
        finding->offset = offset;
        finding->length = length;
    }
    return finding;
}

/* Records from `expected` on are missing; how many is seen when the log goes on. */
static void open_loss(struct check *c, struct fsck_finding *finding)
{
    c->broken = true;
    if (finding && c->open_count < OPEN_MAX)
        c->open[c->open_count++] = finding;
}

/* The log goes on with sequence number `seq`: what was open is measured. */
static void close_at(struct check *c, uint64_t seq)
{
    if (!c->broken)
        return;
    if (seq > c->expected) {
        uint64_t lost = seq - c->expected;
        for (size_t i = 0; i < c->open_count; i++) {
            c->open[i]->first_seq = c->expected;
            c->open[i]->last_seq = seq - 1;
            c->open[i]->count = lost;
        }
        if (!c->blind)
            c->with->summary->lost_records += lost;
        fsck_pipe_gap(c->with->pipe, c->expected, seq - 1, c->open_count ? c->open[0] : NULL);
        c->expected = seq;
    }
    c->open_count = 0;
    c->broken = c->blind = false;
}

/* The log ends here and nothing tells how much is missing. */
static void close_unknown(struct check *c)
{
    if (!c->broken)
        return;
    for (size_t i = 0; i < c->open_count; i++)
        c->open[i]->first_seq = c->expected;
    c->with->summary->lost_exact = false;
    fsck_pipe_gap(c->with->pipe, c->expected, 0, c->open_count ? c->open[0] : NULL);
    c->open_count = 0;
    c->broken = c->blind = false;
}

/* The log goes on at `seq` where it should at `expected`; whatever is between is lost, and numbers
 * that come back are told. */
static void go_on_at(struct check *c, uint64_t seq, uint64_t offset, uint64_t length)
{
    if (seq != c->expected && (!c->broken || seq < c->expected)) {
        struct fsck_finding *finding = report(c, FSCK_SEQUENCE, offset, length);
        fsck_detail(finding, "goes on with %llu where %llu is next", (unsigned long long)seq,
                    (unsigned long long)c->expected);
        open_loss(c, finding);
    }
    if (seq < c->expected) {
        close_unknown(c);
        c->expected = seq;
    }
    close_at(c, seq);
}

/* ---- what a scan tells ---- */

static bool time_is_up(struct check *c)
{
    const struct avj_io *io = c->with->capture->io;
    return c->with->deadline_ms && io->monotonic_ms(io->ctx) >= c->with->deadline_ms;
}

/* The log is at this place of the segment at hand: is it the one of the witness? */
static void meet_witness(struct check *c, uint64_t offset, uint64_t chain, uint64_t last_seq)
{
    const struct avj_sync_witness *w = &c->with->capture->witness;
    if (w->valid && w->segment_no == c->segment->number && w->offset == offset &&
        w->chain == chain && w->seq == last_seq)
        c->witness_met = true;
    /* Sealing moved the frames: their numbers are what is left to compare. */
    if (w->valid && w->segment_no == c->segment->number && c->segment->header.sealed &&
        w->seq <= c->segment->header.from.last_seq)
        c->witness_met = true;
}

static enum avj_status on_frame(void *arg, const struct avj_frame_info *frame)
{
    struct check *c = arg;
    if (!c->with->mark && time_is_up(c))
        return AVJ_ETIMEOUT;
    if (c->followed && c->last_end == frame->offset && c->last_chain != frame->chain_before)
        open_loss(c, report(c, FSCK_CHAIN_BROKEN, frame->offset, frame->total_len));
    go_on_at(c, frame->first_seq, frame->offset, frame->total_len);
    c->expected += frame->count;
    c->frame = *frame;
    c->followed = true;
    c->last_end = frame->offset + frame->total_len;
    c->last_chain = frame->chain_after;
    meet_witness(c, c->last_end, c->last_chain, c->expected - 1);
    struct fsck_summary *s = c->with->summary;
    s->frames++;
    s->records += frame->count;
    if (!s->first_seq)
        s->first_seq = frame->first_seq;
    s->last_seq = frame->first_seq + frame->count - 1;
    if (c->with->progress)
        c->with->progress(c->with->progress_arg, c->done_bytes + c->last_end, c->total_bytes);
    return AVJ_OK;
}

static enum avj_status on_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                 const uint8_t *data, size_t len)
{
    struct check *c = arg;
    return fsck_pipe_record(c->with->pipe, c->segment->number, frame->offset, seq, data, len);
}

static enum fsck_code code_of(enum avj_damage damage)
{
    switch (damage) {
    case AVJ_DAMAGE_SEGMENT_HEADER:
        return FSCK_SEGMENT_HEADER;
    case AVJ_DAMAGE_PAYLOAD:
        return FSCK_PAYLOAD;
    case AVJ_DAMAGE_TRAILER:
        return FSCK_TRAILER;
    case AVJ_DAMAGE_CHAIN:
        return FSCK_CHAIN_BROKEN;
    case AVJ_DAMAGE_SEQUENCE:
        return FSCK_SEQUENCE;
    case AVJ_DAMAGE_DECOMPRESS:
        return FSCK_DECOMPRESS;
    case AVJ_DAMAGE_PADDING:
        return FSCK_PADDING;
    case AVJ_DAMAGE_TRUNCATED:
        return FSCK_TRUNCATED;
    case AVJ_DAMAGE_DICTIONARY:
        return FSCK_DICTIONARY;
    case AVJ_DAMAGE_INDEX:
        return FSCK_INDEX;
    case AVJ_DAMAGE_CONTENT:
        return FSCK_CONTENT;
    default:
        return FSCK_FRAME_HEADER;
    }
}

/* The frame was counted when it was met; its records can not be read. */
static void lose_frame(struct check *c, struct fsck_finding *finding)
{
    uint64_t first = c->frame.first_seq, last = first + c->frame.count - 1;
    if (finding) {
        finding->first_seq = finding->first_seq ? finding->first_seq : first;
        finding->last_seq = last;
        finding->count += c->frame.count;
    }
    c->with->summary->records -= c->frame.count;
    c->with->summary->lost_records += c->frame.count;
    fsck_pipe_gap(c->with->pipe, first, last, finding);
}

static enum avj_status on_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                 const struct avj_frame_info *next_good)
{
    struct check *c = arg;
    (void)next_good; /* its frame() follows, and closes what is opened here */
    if (damage == AVJ_DAMAGE_DECOMPRESS && c->explained) {
        lose_frame(c, c->cause);
        return AVJ_OK;
    }
    struct fsck_finding *finding = report(c, code_of(damage), offset, len);
    if (damage == AVJ_DAMAGE_DECOMPRESS) {
        lose_frame(c, finding);
        return AVJ_OK;
    }
    if (damage == AVJ_DAMAGE_SEGMENT_HEADER || damage == AVJ_DAMAGE_DICTIONARY) {
        c->explained = true;
        c->cause = finding;
    }
    /* What stands beside the frames loses none of them by itself. */
    if (damage == AVJ_DAMAGE_DICTIONARY || damage == AVJ_DAMAGE_INDEX ||
        damage == AVJ_DAMAGE_CONTENT)
        return AVJ_OK;
    open_loss(c, finding);
    c->followed = false;
    return AVJ_OK;
}

/* ---- headers ---- */

static void hex(const uint8_t *bytes, char out[33])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* `next` was begun behind `s` as it is now, as far as their headers tell. */
static bool continues(const struct check *c, const struct fsck_segment *s,
                      const struct fsck_segment *next)
{
    if (!next || next->number != s->number + 1 || !fsck_segment_belongs(c->with->capture, next) ||
        next->header.prev_segment_no != s->number)
        return false;
    const uint8_t *salt = s->header.sealed ? s->header.from.salt : s->header.salt;
    return s->status != AVJ_OK || memcmp(next->header.prev_salt, salt, 16) == 0;
}

/* Tells of segments whose numbers are passed over between the one before (0: none) and this one. */
static void look_for_hole(struct check *c, uint64_t before, uint64_t number)
{
    if (number <= before + 1)
        return;
    c->segment = NULL;
    struct fsck_finding *finding = report(c, FSCK_SEGMENT_MISSING, 0, 0);
    uint64_t missing = number - before - 1;
    if (finding)
        finding->segment = before + 1;
    if (missing == 1)
        fsck_detail(finding, "segments/%016llx.seg is not there", (unsigned long long)before + 1);
    else
        fsck_detail(finding, "%llu files, segments/%016llx.seg to %016llx.seg, are not there",
                    (unsigned long long)missing, (unsigned long long)before + 1,
                    (unsigned long long)number - 1);
    open_loss(c, finding);
}

static void not_ours(struct check *c, const struct fsck_segment *s)
{
    struct fsck_finding *finding;
    if (memcmp(s->header.journal_id, c->with->capture->journal_id, 16) != 0) {
        char here[33], there[33];
        hex(c->with->capture->journal_id, here);
        hex(s->header.journal_id, there);
        finding = report(c, FSCK_FOREIGN, 0, s->size);
        fsck_detail(finding, "it is segment %llu of journal %s, this is journal %s",
                    (unsigned long long)s->header.segment_no, there, here);
    } else {
        finding = report(c, FSCK_MISPLACED, 0, s->size);
        fsck_detail(finding, "segments/%s holds segment %016llx", s->name,
                    (unsigned long long)s->header.segment_no);
    }
    open_loss(c, finding);
}

/* A segment with a good header of its own: does it follow the one before? */
static void join(struct check *c, const struct fsck_segment *before, const struct fsck_segment *s)
{
    const struct avj_segment_header *h = &s->header;
    bool first = s->number == 1;
    bool neighbour =
        before && before->number + 1 == s->number && fsck_segment_belongs(c->with->capture, before);
    if (first ? h->prev_segment_no != 0 : neighbour && !continues(c, before, s)) {
        struct fsck_finding *finding = report(c, FSCK_PREDECESSOR, 0, 0);
        fsck_detail(finding, "%s",
                    first ? "the first segment names one before it"
                          : "it was begun behind another version of the segment before it");
        open_loss(c, finding);
    }
    go_on_at(c, h->first_seq, 0, 0);
    c->followed = true;
    c->last_end = h->frames_at;
    c->last_chain = h->chain;
    meet_witness(c, c->last_end, c->last_chain, h->first_seq - 1);
}

/* ---- segments ---- */

/* What is known of where a segment's log ends. */
struct bounds {
    uint64_t limit;                        /* bytes of the file that are looked at */
    const struct avj_segment_header *next; /* of the successor, when there is one that fits */
    bool last;
};

static struct bounds bounds_of(const struct check *c, size_t index)
{
    const struct fsck_capture *cap = c->with->capture;
    const struct fsck_segment *s = &cap->segments[index];
    struct bounds b = {.limit = s->size, .last = index + 1 == cap->count};
    if (!b.last && continues(c, s, s + 1)) {
        b.next = &s[1].header;
        b.limit = b.next->prev_end;
    }
    if (b.last && cap->tail.state != FSCK_TAIL_DAMAGED)
        b.limit = cap->tail.end;
    return b;
}

/* The scan came to its end: is that where the log should end? */
static void end_segment(struct check *c, const struct bounds *b,
                        const struct avj_scan_result *result)
{
    const struct fsck_segment *s = c->segment;
    const struct avj_sealed_from *from = &s->header.from;
    if (b->next && s->status == AVJ_OK && s->header.sealed) {
        if (from->end != b->next->prev_end || from->chain != b->next->prev_chain ||
            from->last_seq != b->next->prev_last_seq)
            open_loss(c, report(c, FSCK_CHAIN_BROKEN, from->index_at, 0));
    } else if (b->next && !c->broken && c->followed) {
        if (c->last_end < b->limit)
            open_loss(c, report(c, FSCK_SHORT, c->last_end, b->limit - c->last_end));
        else if (c->last_chain != b->next->prev_chain)
            open_loss(c, report(c, FSCK_CHAIN_BROKEN, c->last_end, 0));
    }
    if (b->next && result->set_aside_bytes) {
        report(c, FSCK_SET_ASIDE, s->header.sealed ? from->index_at : b->limit,
               result->set_aside_bytes);
        c->with->summary->set_aside_bytes += result->set_aside_bytes;
    }
    const struct fsck_tail *tail = &c->with->capture->tail;
    if (b->last && tail->state == FSCK_TAIL_UNSYNCED) {
        uint64_t bytes = tail->file_bytes - tail->end;
        struct fsck_finding *finding = report(c, FSCK_UNSYNCED_TAIL, tail->end, bytes);
        if (finding)
            finding->first_seq = c->expected;
        c->with->summary->unsynced_tail_bytes = bytes;
    }
    bool cut = !s->header.sealed && b->limit < s->size;
    c->with->summary->bytes += cut ? b->limit : s->size;
}

static void unreadable(struct check *c, enum avj_status status, const char *why)
{
    bool forbidden = status == AVJ_EACCES;
    struct fsck_finding *finding =
        report(c, forbidden ? FSCK_NO_ACCESS : FSCK_UNREADABLE, 0, c->segment->size);
    fsck_detail(finding, "%s", why);
    open_loss(c, finding);
    c->blind = forbidden;
    if (c->trouble == AVJ_OK)
        c->trouble = avj_fail(&c->trouble_err, status, "%s", why);
}

/* The segment that the scan has open.  A journal in use may have sealed or compacted it since it
 * was captured: the same numbers under another header. */
static enum avj_status on_segment(void *arg, const struct avj_segment_header *header)
{
    struct check *c = arg;
    struct fsck_segment *s = c->segment;
    const uint8_t *original = s->header.sealed ? s->header.from.salt : s->header.salt;
    if (header->sealed && memcmp(header->from.salt, original, 16) == 0)
        s->header = *header;
    if (memcmp(header->salt, s->header.salt, 16) == 0)
        join(c, c->before, s);
    return AVJ_OK;
}

static enum avj_status scan(struct check *c, const struct bounds *b)
{
    struct avj_scan_events events = {.arg = c,
                                     .segment = on_segment,
                                     .frame = on_frame,
                                     .record = on_record,
                                     .damage = on_damage};
    struct avj_scan_result result;
    struct avj_error err = {0};
    char path[FSCK_PATH_MAX];
    fsck_segment_path(c->with->capture, c->segment, path);
    enum avj_status status =
        avj_scan_segment(c->with->capture->io, path, b->limit, true, &events, &result, &err);
    if (status == AVJ_EIO || status == AVJ_EACCES || status == AVJ_ENOTFOUND) {
        unreadable(c, status, err.message);
        return AVJ_OK;
    }
    if (status == AVJ_ENOMEM)
        return avj_fail(c->err, status, "%s: out of memory", path);
    if (status == AVJ_ETIMEOUT) {
        c->with->summary->bytes += c->last_end;
        return avj_fail(c->err, status, "%s: the time allowed ran out", path);
    }
    if (status != AVJ_OK)
        return avj_fail(c->err, status, "%s", err.message);
    if (result.header_ok && result.header.sealed)
        c->segment->size = result.file_bytes;
    end_segment(c, b, &result);
    return AVJ_OK;
}

static enum avj_status check_segment(struct check *c, size_t index)
{
    struct fsck_segment *s = &c->with->capture->segments[index];
    c->before = index ? s - 1 : NULL;
    look_for_hole(c, c->before ? c->before->number : 0, s->number);
    c->segment = s;
    c->explained = false;
    c->followed = false;
    struct bounds b = bounds_of(c, index);
    enum avj_status status = AVJ_OK;
    if (s->status != AVJ_OK && s->status != AVJ_ECORRUPT)
        unreadable(c, s->status, avj_status_text(s->status));
    else if (s->status == AVJ_OK && !fsck_segment_belongs(c->with->capture, s))
        not_ours(c, s);
    else
        status = scan(c, &b);
    c->done_bytes += s->size;
    return status;
}

/* The log was read to its end: does the witness know more? */
static void end_log(struct check *c)
{
    const struct fsck_capture *cap = c->with->capture;
    const struct avj_sync_witness *w = &cap->witness;
    if (w->valid && w->seq >= c->expected) {
        if (!c->broken) {
            struct fsck_finding *finding = report(c, FSCK_MISSING_DURABLE, c->last_end, 0);
            fsck_detail(finding, "up to %llu was durable, in segment %llu at offset %llu",
                        (unsigned long long)w->seq, (unsigned long long)w->segment_no,
                        (unsigned long long)w->offset);
            open_loss(c, finding);
        }
        close_at(c, w->seq + 1);
    } else if (w->valid && !c->witness_met && !c->broken && c->trouble == AVJ_OK &&
               c->with->findings->by_severity[FSCK_DAMAGED] == 0) {
        struct fsck_finding *finding = report(c, FSCK_WITNESS_DIFFERS, 0, 0);
        if (finding) {
            finding->segment = w->segment_no;
            finding->offset = w->offset;
            finding->last_seq = w->seq;
        }
    }
    close_unknown(c);
}

/* The first segment that is to be looked at. */
static size_t begin_at_mark(struct check *c)
{
    const struct fsck_mark *mark = c->with->mark;
    if (!mark || !mark->segments)
        return 0;
    c->expected = mark->expected;
    c->witness_met = mark->witness_met;
    for (size_t i = 0; i < mark->segments; i++)
        c->done_bytes += c->with->capture->segments[i].size;
    return mark->segments;
}

static enum avj_status stop_behind(struct check *c, size_t index)
{
    bool whole =
        !c->broken && c->trouble == AVJ_OK && c->with->findings->by_severity[FSCK_DAMAGED] == 0;
    *c->with->mark = (struct fsck_mark){.segments = 0};
    if (whole)
        *c->with->mark = (struct fsck_mark){index + 1, c->expected, c->witness_met};
    return avj_fail(c->err, AVJ_ETIMEOUT, "%s: the time allowed ran out", c->with->capture->path);
}

enum avj_status fsck_check(const struct fsck_checking *with, struct avj_error *err)
{
    struct check c = {.with = with, .err = err, .expected = 1};
    const struct fsck_capture *cap = with->capture;
    with->summary->lost_exact = true;
    with->summary->segments = cap->count;
    for (size_t i = 0; i < cap->count; i++)
        c.total_bytes += cap->segments[i].size;
    if (cap->count == 0)
        open_loss(&c, report(&c, FSCK_NO_SEGMENTS, 0, 0));
    size_t from = begin_at_mark(&c);
    for (size_t i = from; i < cap->count; i++) {
        enum avj_status status = check_segment(&c, i);
        if (status == AVJ_OK && with->mark && i + 1 < cap->count && time_is_up(&c))
            status = stop_behind(&c, i);
        if (status != AVJ_OK)
            return status;
    }
    end_log(&c);
    return c.trouble == AVJ_OK ? AVJ_OK : avj_fail(err, c.trouble, "%s", c.trouble_err.message);
}
