/* The steps of a repair as text and as JSON: see fsck_output.h. */
#include "fsck/fsck_output.h"

#include "replay/clock.h"

#include <jansson.h>

/* ---- text ---- */

/* Text from the journal may hold anything: a terminal gets no control characters from it. */
static void plain(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void text_step(void *arg, const struct fsck_step *step)
{
    struct fsck_output *output = arg;
    char from[AVJ_TIME_TEXT], to[AVJ_TIME_TEXT];
    bool lost = step->kind == FSCK_STEP_LOST;
    fputs(lost ? "lost: " : output->dry_run ? "would repair: " : "repaired: ", output->out);
    plain(output->out, step->detail);
    if (lost && step->after_ms && step->before_ms) {
        avj_time_format(step->after_ms, from);
        avj_time_format(step->before_ms, to);
        fprintf(output->out, ", written from %s to %s", from, to);
    }
    fputs("\n", output->out);
    if (*step->kept && output->dry_run)
        fprintf(output->out, "    the original would be kept as %s\n", step->kept);
    else if (*step->kept)
        fprintf(output->out, "    the original is kept as %s\n", step->kept);
}

static void text_ids(FILE *out, const char *what, const struct fsck_ids *ids)
{
    if (!ids->count)
        return;
    fprintf(out, "    %s that they were about:", what);
    for (size_t i = 0; i < ids->count; i++) {
        fputs(i ? ", " : " ", out);
        plain(out, ids->ids[i]);
    }
    fputs(ids->more ? " and more\n" : "\n", out);
}

static void text_affected(void *arg, const struct fsck_ids *threads,
                          const struct fsck_ids *messages)
{
    struct fsck_output *output = arg;
    text_ids(output->out, "threads", threads);
    text_ids(output->out, "messages", messages);
    fputs("    next: avchat sync, which fetches again what the server has.  Changes that were made "
          "here\n    and had not reached it are gone with these records.\n",
          output->out);
}

void fsck_text_repair_sink(struct fsck_output *output, struct fsck_repair_sink *sink)
{
    *sink = (struct fsck_repair_sink){.arg = output, .step = text_step, .affected = text_affected};
    fsck_text_sink(output, &sink->check);
}

/* ---- JSON ---- */

static void put(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static void put_number(json_t *object, const char *key, uint64_t value)
{
    if (value)
        put(object, key, json_integer((json_int_t)value));
}

static void put_time(json_t *object, const char *key, int64_t ms)
{
    char text[AVJ_TIME_TEXT];
    if (!ms)
        return;
    avj_time_format(ms, text);
    put(object, key, json_string(text));
}

static void print_line(struct fsck_output *output, json_t *inner)
{
    json_t *line = json_object();
    put(line, "repair", inner);
    (void)json_dumpf(line, output->out, JSON_COMPACT | JSON_ENSURE_ASCII);
    fputs("\n", output->out);
    json_decref(line);
}

/* Names of files and ids may be no UTF-8. */
static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("?");
}

static void json_step(void *arg, const struct fsck_step *step)
{
    struct fsck_output *output = arg;
    json_t *o = json_object();
    put(o, "step", json_string(fsck_step_name(step->kind)));
    put(o, "done", json_boolean(!output->dry_run));
    put_number(o, "segment", step->segment);
    put_number(o, "firstSeq", step->first_seq);
    put_number(o, "lastSeq", step->last_seq);
    if (step->kind == FSCK_STEP_SEGMENT)
        put(o, "records", json_integer((json_int_t)step->records));
    if (step->kind == FSCK_STEP_SEGMENT || step->kind == FSCK_STEP_LOST)
        put(o, "lost", json_integer((json_int_t)step->lost));
    put_time(o, "writtenAfter", step->after_ms);
    put_time(o, "writtenBefore", step->before_ms);
    if (*step->kept)
        put(o, "kept", text_of(step->kept));
    put(o, "detail", text_of(step->detail));
    print_line(output, o);
}

static json_t *id_list(const struct fsck_ids *ids)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ids->count; i++)
        (void)json_array_append_new(list, text_of(ids->ids[i]));
    return list;
}

static void json_affected(void *arg, const struct fsck_ids *threads,
                          const struct fsck_ids *messages)
{
    json_t *o = json_object();
    put(o, "step", json_string("affected"));
    put(o, "threads", id_list(threads));
    put(o, "messages", id_list(messages));
    put(o, "more", json_boolean(threads->more || messages->more));
    print_line(arg, o);
}

void fsck_json_repair_sink(struct fsck_output *output, struct fsck_repair_sink *sink)
{
    *sink = (struct fsck_repair_sink){.arg = output, .step = json_step, .affected = json_affected};
    fsck_json_sink(output, &sink->check);
}
