/* What the fields of random histories hold: see history_values.h. */
#include "tests/support/history_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t below(struct history *h, uint64_t limit)
{
    return test_rng_below(&h->rng, limit);
}

/* ---- times ---- */

void history_time(int64_t seconds, unsigned form, char out[HISTORY_TIME_TEXT])
{
    static const struct {
        const char *day, *zone;
    } forms[HISTORY_TIME_FORMS] = {
        {"2026-11-22", ".000+00:00"},  {"2026-11-22", ".000Z"},      {"2026-11-22", "Z"},
        {"2026-11-22", ".0009+00:00"}, {"1969-11-22", ".000+00:00"}, {"not a time", ""},
        {"1970-01-01", ".000+18:00"},  {"2026-11-22", ".000-00:00"},
    };
    unsigned s = (unsigned)seconds % 60, m = (unsigned)seconds / 60 % 60;
    form %= HISTORY_TIME_FORMS;
    snprintf(out, HISTORY_TIME_TEXT, "%sT18:%02u:%02u%s", forms[form].day, m, s, forms[form].zone);
}

/* ---- choices ---- */

static const char *const unknown_names[2] = {"alpha", "zeta"};

size_t history_field_count(enum avj_entity entity)
{
    return avj_schema(entity)->count + 2;
}

static const struct avj_field *field_at(enum avj_entity entity, size_t index)
{
    const struct avj_entity_schema *schema = avj_schema(entity);
    return index < schema->count ? &schema->fields[index] : NULL;
}

int history_choose(struct history *h, enum avj_entity entity, size_t index)
{
    const struct avj_field *field = field_at(entity, index);
    if (field && (field->flags & AVJ_FF_ID))
        return below(h, 50) ? 1 : 2;
    if (field && (field->flags & AVJ_FF_REQUIRED))
        return 1 + (int)below(h, 6);
    return below(h, 3) ? 0 : 1 + (int)below(h, 6);
}

/* ---- values ---- */

static void pack_time(int choice, bool odd, struct avj_pack *out)
{
    char text[HISTORY_TIME_TEXT];
    unsigned form = choice == 6 || odd ? (unsigned)choice % HISTORY_TIME_FORMS : 0;
    history_time(choice * 7, form, text);
    avj_pack_cstr(out, text);
}

static void pack_text(int choice, struct avj_pack *out)
{
    static const char *const texts[] = {"", "a", "b", "c", "Grüße", "a text of many words, "};
    if (choice < 5) {
        avj_pack_cstr(out, texts[choice]);
        return;
    }
    char text[400];
    size_t len = choice == 5 ? 40 : sizeof(text);
    for (size_t i = 0; i < len; i++)
        text[i] = texts[5][i % 23];
    avj_pack_text(out, text, len);
}

static void pack_texts(int choice, struct avj_pack *out)
{
    size_t n = choice == 6 ? 20 : (size_t)choice % 3;
    avj_pack_list(out, n);
    for (size_t i = 0; i < n; i++)
        pack_text(1 + (int)(i % 3), out);
}

static void pack_any(int choice, struct avj_pack *out)
{
    static const int64_t integers[] = {0, -1, 127, 128, 65536, INT64_MIN};
    switch (choice) {
    case 1:
        avj_pack_map(out, 2);
        avj_pack_cstr(out, "z");
        avj_pack_real(out, 0.5);
        avj_pack_cstr(out, "a");
        avj_pack_nil(out);
        return;
    case 2:
        avj_pack_list(out, 2);
        avj_pack_list(out, 0);
        avj_pack_bool(out, true);
        return;
    case 3:
        avj_pack_bytes(out, "\1\2", 2);
        return;
    default:
        avj_pack_int(out, integers[choice % 6]);
    }
}

/* Threads are mentioned before they are known, by messages that come first. */
static void pack_thread(const struct history_doc *doc, int choice, struct avj_pack *out)
{
    static const char *const ids[] = {"11111111-2222-4333-8444-555555555555",
                                      "thread_1795370972548_k3j2h1", "never-made"};
    if (choice == 6 && doc->entity == AVJ_SUMMARY)
        avj_pack_int(out, 7); /* names none */
    else
        avj_pack_cstr(out, ids[choice == 5 ? 2 : choice % 2]);
}

static void pack_by_type(const struct avj_field *field, int choice, struct avj_pack *out)
{
    switch (field->type) {
    case AVJ_F_TIME:
        pack_time(choice, field->merge == AVJ_M_MAX, out);
        return;
    case AVJ_F_BOOL:
        if (choice == 6)
            avj_pack_int(out, 1);
        else
            avj_pack_bool(out, choice % 2 == 0);
        return;
    case AVJ_F_INT:
        avj_pack_int(out, choice * 37 - 60);
        return;
    case AVJ_F_TEXTS:
        pack_texts(choice, out);
        return;
    case AVJ_F_JSON:
        pack_any(choice, out);
        return;
    case AVJ_F_TEXT:
        pack_text(choice, out);
    }
}

static void pack_choice(const struct history_doc *doc, size_t index, int choice,
                        struct avj_pack *out)
{
    const struct avj_field *field = field_at(doc->entity, index);
    if (choice < 0)
        avj_pack_nil(out);
    else if (!field)
        pack_any(choice, out);
    else if (field->flags & AVJ_FF_ID)
        avj_pack_cstr(out, choice == 1 ? doc->id : "another");
    else if (field->flags & AVJ_FF_THREAD)
        pack_thread(doc, choice, out);
    else
        pack_by_type(field, choice, out);
}

static void pack_pair(const struct history_doc *doc, size_t index, int choice, struct avj_pack *out)
{
    const struct avj_field *field = field_at(doc->entity, index);
    avj_pack_cstr(out, field ? field->name : unknown_names[index - avj_schema(doc->entity)->count]);
    pack_choice(doc, index, choice, out);
}

void history_pack_fields(struct history *h, const struct history_doc *doc,
                         const int choices[HISTORY_FIELDS], bool odd, struct avj_pack *out)
{
    size_t order[2 * HISTORY_FIELDS], n = 0, fields = history_field_count(doc->entity);
    for (size_t i = 0; i < fields; i++)
        if (choices[i])
            order[n++] = i;
    for (size_t i = 0; odd && i + 1 < n; i++) {
        size_t j = i + below(h, n - i), swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    if (odd && n && below(h, 3) == 0) {
        order[n] = order[below(h, n)]; /* the last of two wins */
        n++;
    }
    avj_pack_map(out, n);
    for (size_t i = 0; i < n; i++) {
        int choice = choices[order[i]];
        if (odd && below(h, 12) == 0)
            choice = below(h, 2) ? -1 : 1 + (int)below(h, 6);
        pack_pair(doc, order[i], choice, out);
    }
}
