/* JSON lines: see fsck_output.h. */
#include "fsck/fsck_json.h"

#include "replay/clock.h"

#include <inttypes.h>
#include <string.h>

void fsck_json_set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value); /* out of memory: seen when the line is made */
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Bytes of a journal need not be UTF-8, JSON must be. */
json_t *fsck_json_text(const char *value)
{
    json_t *good = json_string(value);
    if (good)
        return good;
    char safe[512];
    size_t i = 0;
    for (; value[i] && i + 1 < sizeof(safe); i++)
        safe[i] = (unsigned char)value[i] < 0x80 ? value[i] : '?';
    safe[i] = 0;
    return json_string(safe);
}

void fsck_json_line(struct fsck_output *output, json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    if (line)
        fprintf(output->out, "%s\n", line);
    else
        fputs("{\"error\":\"out of memory\"}\n", output->out);
    free(line);
    json_decref(object);
}

static json_t *ids(const struct fsck_ids *given)
{
    json_t *list = json_array();
    for (size_t i = 0; i < given->count; i++)
        (void)json_array_append_new(list, fsck_json_text(given->ids[i]));
    return list;
}

static void put_place(json_t *o, const struct fsck_finding *f)
{
    char file[48];
    snprintf(file, sizeof(file), "segments/%016" PRIx64 ".seg", f->segment);
    fsck_json_set(o, "segment", number(f->segment));
    fsck_json_set(o, "file", json_string(file));
    fsck_json_set(o, "offset", number(f->offset));
    fsck_json_set(o, "length", number(f->length));
}

/* {"ID":"title",...} of the threads whose titles are known. */
static json_t *titles(const struct fsck_finding *f)
{
    json_t *object = json_object();
    for (size_t i = 0; i < f->threads.count; i++)
        if (f->titles[i])
            fsck_json_set(object, f->threads.ids[i], fsck_json_text(f->titles[i]));
    return object;
}

static void put_time(json_t *o, const char *key, int64_t ms)
{
    char text[AVJ_TIME_TEXT];
    if (!ms)
        return;
    avj_time_format(ms, text);
    fsck_json_set(o, key, json_string(text));
}

static void json_finding(void *arg, const struct fsck_finding *f)
{
    const struct fsck_kind *kind = fsck_kind(f->code);
    json_t *o = json_object();
    fsck_json_set(o, "id", json_string(kind->id));
    fsck_json_set(o, "severity", json_string(fsck_severity_name(kind->severity)));
    fsck_json_set(o, "phase", json_string(fsck_phase_name(kind->phase)));
    fsck_json_set(o, "title", json_string(kind->title));
    if (f->detail[0])
        fsck_json_set(o, "detail", fsck_json_text(f->detail));
    if (f->segment)
        put_place(o, f);
    if (f->first_seq)
        fsck_json_set(o, "firstSeq", number(f->first_seq));
    if (f->last_seq)
        fsck_json_set(o, "lastSeq", number(f->last_seq));
    if (f->count)
        fsck_json_set(o, "count", number(f->count));
    put_time(o, "writtenAfter", f->after_ms);
    put_time(o, "writtenBefore", f->before_ms);
    if (f->threads.count || f->messages.count) {
        fsck_json_set(o, "threads", ids(&f->threads));
        fsck_json_set(o, "titles", titles(f));
        fsck_json_set(o, "messages", ids(&f->messages));
        if (f->threads.more || f->messages.more)
            fsck_json_set(o, "moreAffected", json_true());
    }
    fsck_json_set(o, "meaning", json_string(kind->meaning));
    fsck_json_set(o, "next", json_string(kind->next));
    fsck_json_line(arg, o);
}

static void put_view(json_t *o, const struct fsck_summary *s)
{
    char digest[33];
    for (size_t i = 0; i < 16; i++)
        snprintf(digest + 2 * i, 3, "%02x", s->view_digest[i]);
    fsck_json_set(o, "pending", number(s->pending));
    fsck_json_set(o, "parked", number(s->parked));
    fsck_json_set(o, "conflicts", number(s->conflicts));
    for (int e = 0; e < AVJ_ENTITIES; e++)
        fsck_json_set(o, avj_schema((enum avj_entity)e)->collection, number(s->visible[e]));
    fsck_json_set(o, "viewDigest", json_string(digest));
    fsck_json_set(o, "viewComplete", json_boolean(s->fold_complete));
    fsck_json_set(o, "viewSeq", number(s->folded_to));
}

static void json_summary(void *arg, const struct fsck_summary *s)
{
    struct fsck_output *output = arg;
    json_t *o = json_object(), *line = json_object();
    fsck_json_set(o, "ok", json_boolean(s->ok));
    fsck_json_set(o, "complete", json_boolean(s->complete));
    fsck_json_set(o, "exit", json_integer(s->exit_code));
    fsck_json_set(o, "segments", number(s->segments));
    fsck_json_set(o, "frames", number(s->frames));
    fsck_json_set(o, "records", number(s->records));
    fsck_json_set(o, "bytes", number(s->bytes));
    fsck_json_set(o, "lostRecords", number(s->lost_records));
    fsck_json_set(o, "lostRecordsExact", json_boolean(s->lost_exact));
    fsck_json_set(o, "unsyncedTailBytes", number(s->unsynced_tail_bytes));
    fsck_json_set(o, "setAsideBytes", number(s->set_aside_bytes));
    fsck_json_set(o, "infos", number(s->findings[FSCK_INFO]));
    fsck_json_set(o, "warnings", number(s->findings[FSCK_WARNING]));
    fsck_json_set(o, "damages", number(s->findings[FSCK_DAMAGED]));
    if (s->folded) {
        put_view(o, s);
    } else {
        fsck_json_set(o, "pending", json_null());
        fsck_json_set(o, "viewDigest", json_null());
    }
    if ((s->exit_code & FSCK_FAILED) && output->err && output->err->message[0])
        fsck_json_set(o, "error", fsck_json_text(output->err->message));
    fsck_json_set(line, "summary", o);
    fsck_json_line(output, line);
}

void fsck_json_sink(struct fsck_output *output, struct fsck_sink *sink)
{
    *sink = (struct fsck_sink){
        .arg = output,
        .finding = json_finding,
        .audit = fsck_json_audit,
        .audit_summary = fsck_json_audit_summary,
        .summary = json_summary,
    };
}
