/*
 * Salvage: from a journal that was damaged in whichever way, every message whose record is intact
 * is written as a line that avchat import takes, nothing is invented, and the source stays as it
 * is.  That import takes them is in fsck_user.sh.
 */
#include "tests/integration/fsck_wrecks.h"

#include "fsck/fsck_salvage.h"

#include <jansson.h>

#define LINES_MAX 64

struct lines {
    json_t *items[LINES_MAX];
    size_t count;
};

static void read_lines(const char *out, const char *name, struct lines *lines)
{
    char *path = test_path(out, "%s", name), *save = NULL;
    size_t len;
    char *text = (char *)test_read_file(path, &len);

    lines->count = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        assert_true(lines->count < LINES_MAX);
        lines->items[lines->count] = json_loads(line, 0, NULL);
        assert_non_null(lines->items[lines->count++]);
    }
    free(text);
    free(path);
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        json_decref(lines->items[i]);
}

static const char *text_of(json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    return text ? text : "";
}

static json_t *line_of(const struct lines *lines, const char *kind, const char *id)
{
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(text_of(lines->items[i], "kind"), kind) == 0 &&
            strcmp(text_of(lines->items[i], "id"), id) == 0)
            return lines->items[i];
    return NULL;
}

/* Record `number` of fsck_case.h as a message. */
static bool is_there(const struct lines *lines, uint64_t number)
{
    char id[48], text[200];

    snprintf(id, sizeof id, "message-%llu", (unsigned long long)number);
    snprintf(text, sizeof text, "record %llu says something that does not matter much",
             (unsigned long long)number);
    json_t *line = line_of(lines, "message", id);
    return line && strcmp(text_of(line, "content"), text) == 0 &&
           strcmp(text_of(line, "threadId"), "thread-1") == 0;
}

static bool is_lost(const struct wreck_case *c, uint64_t seq)
{
    return (c->first && seq >= c->first && seq <= c->last) ||
           (c->first2 && seq >= c->first2 && seq <= c->last2);
}

static bool same_tree(const char *a, const char *b)
{
    char command[9000];

    snprintf(command, sizeof command, "diff -r %s %s", a, b);
    return system(command) == 0;
}

static bool is_salvaged(const struct wreck_case *c, const struct fixture *f)
{
    char *out = test_path(f->folder, "out"), *before = test_path(f->folder, "before");
    struct fsck_salvaged done;
    struct avj_error err = {0};
    struct lines lines = {.count = 0};
    bool good = true;

    test_copy_tree(f->dir, before);
    if (fsck_salvage(f->dir, out, NULL, &done, &err) != AVJ_OK) {
        print_message("%s: %s\n", c->sentence, err.message);
        good = false;
    } else {
        read_lines(out, "salvaged.jsonl", &lines);
    }
    for (uint64_t number = 2; number <= f->records && good; number++)
        if (!is_lost(c, number) && !is_there(&lines, number)) {
            print_message("%s: record %llu is not there\n", c->sentence,
                          (unsigned long long)number);
            good = false;
        }
    good = good && line_of(&lines, "thread", "thread-1") && lines.count <= f->records &&
           done.messages + done.threads == lines.count && same_tree(before, f->dir);
    free_lines(&lines);
    free(before);
    free(out);
    return good;
}

static void all_intact_messages_are_salvaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < WRECK_CASES; i++) {
        const struct wreck_case *c = &wreck_cases[i];
        struct fixture *f;

        setup((void **)&f);
        c->make(f->dir);
        bool good = is_salvaged(c, f);
        if (!good)
            print_message("%s: no\n", c->sentence);
        teardown((void **)&f);
        assert_true(good);
    }
}

static void salvage_to(const struct fixture *f, struct fsck_salvaged *done, struct lines *lines)
{
    char *out = test_path(f->folder, "out");
    struct avj_error err = {0};

    assert_ok(fsck_salvage(f->dir, out, NULL, done, &err), err);
    read_lines(out, "salvaged.jsonl", lines);
    free(out);
}

static void frames_are_found_without_any_header(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct lines lines;

    for (unsigned s = 1; s <= SEGMENTS; s++)
        overwrite_header(f->dir, s);
    salvage_to(f, &done, &lines);
    assert_int_equal(done.records, f->records);
    assert_int_equal(done.missing, 0);
    for (uint64_t number = 2; number <= f->records; number++)
        assert_true(is_there(&lines, number));
    free_lines(&lines);
}

static void frames_are_found_in_any_file_at_any_place(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct lines lines;
    char *name = segment_path(f->dir, 2), *junk = test_path(f->dir, "aside"),
         *inner = test_path(f->dir, "aside/found-by-a-friend.bin");
    size_t len;
    uint8_t *data = test_read_file(name, &len);

    take_away(f->dir, 2);
    assert_int_equal(mkdir(junk, 0700), 0);
    test_write_file(inner, "odd", 3); /* nothing is aligned any more */
    test_append_file(inner, data, len);
    salvage_to(f, &done, &lines);
    assert_int_equal(done.missing, 0);
    for (uint64_t number = 2; number <= f->records; number++)
        assert_true(is_there(&lines, number));
    free_lines(&lines);
    free(data);
    free(name);
    free(junk);
    free(inner);
}

static void what_only_looks_like_a_frame_is_not_believed(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct lines lines;
    struct avj_error err = {0};
    char *other = test_path(f->folder, "other"), *path = segment_path(other, 1),
         *junk = test_path(f->dir, "junk");
    size_t len;

    assert_ok(avj_journal_create(other, NULL, &err), err);
    for (uint64_t i = 0; i < f->records + 3; i++)
        append_bad_record(other, "no entry", 8);
    uint8_t *data = test_read_file(path, &len);
    test_write_file(junk, data + HEADER, len - HEADER); /* frames without their segment */
    salvage_to(f, &done, &lines);
    assert_int_equal(done.files, SEGMENTS + 1);
    assert_int_equal(done.records, f->records);
    free_lines(&lines);
    free(data);
    free(other);
    free(path);
    free(junk);
}

/* A large frame whose end is gone: what zstd gives up to there. */
static void part_of_a_damaged_frame_is_had(void **state)
{
    enum { COUNT = 2000 };
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct avj_error err = {0};
    struct avj_slice records[COUNT];
    struct avj_pack packs[COUNT];
    char *out = test_path(f->folder, "out");

    memset(packs, 0, sizeof packs);
    assert_ok(avj_journal_create(f->dir, NULL, &err), err);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i == 0)
            add_thread(&packs[i]);
        else
            add_local(&packs[i], i + 1);
        records[i] = (struct avj_slice){packs[i].data, packs[i].len};
    }
    struct avj_journal *journal = open_it(f->dir);
    assert_ok(avj_journal_append(journal, records, COUNT, AVJ_DURABLE, NULL, &err), err);
    avj_journal_close(journal);
    char *path = segment_path(f->dir, 1);
    uint64_t at = HEADER + 64, total = frame_offset(path, 1) - HEADER;
    overwrite(path, at + total * 9 / 10, 100, 0xee);
    assert_ok(fsck_salvage(f->dir, out, NULL, &done, &err), err);
    assert_int_equal(done.partial, 1);
    assert_true(done.records > 200 && done.records < COUNT);
    assert_int_equal(done.messages + 1, done.records);
    for (unsigned i = 0; i < COUNT; i++)
        avj_pack_release(&packs[i]);
    free(path);
    free(out);
}

static void add_edit(struct avj_pack *pack, const char *id, const char *op, const char *text)
{
    avj_pack_reset(pack);
    avj_entry_begin(pack, AVJ_E_LOCAL, (uint64_t)3 << 40, "session-a", AVJ_MESSAGE, id,
                    text ? 2 : 1);
    avj_pack_cstr(pack, "o");
    avj_pack_cstr(pack, op);
    if (!text)
        return;
    avj_pack_cstr(pack, "f");
    avj_pack_map(pack, 1);
    avj_pack_cstr(pack, "content");
    avj_pack_cstr(pack, text);
}

static void append_edit(const struct fixture *f, const char *id, const char *op, const char *text)
{
    struct avj_pack pack = {0};

    add_edit(&pack, id, op, text);
    append_bad_record(f->dir, pack.data, pack.len);
    avj_pack_release(&pack);
}

static void the_latest_state_wins_also_where_its_beginning_is_lost(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct lines lines, rest;
    char *out = test_path(f->folder, "out");

    append_edit(f, "message-2", "update", "edited, and whole");
    append_edit(f, "message-5", "update", "edited, and made in a lost record");
    append_edit(f, "message-7", "delete", NULL);
    overwrite_frame(f->dir, 2, 1); /* record 5 */
    salvage_to(f, &done, &lines);
    assert_string_equal(text_of(line_of(&lines, "message", "message-2"), "content"),
                        "edited, and whole");
    assert_null(line_of(&lines, "message", "message-7"));
    assert_null(line_of(&lines, "message", "message-5")); /* nothing tells its thread */
    read_lines(out, "incomplete.jsonl", &rest);
    assert_int_equal(rest.count, 1);
    assert_string_equal(text_of(rest.items[0], "content"), "edited, and made in a lost record");
    assert_int_equal(done.incomplete, 1);
    free_lines(&lines);
    free_lines(&rest);
    free(out);
}

static void what_lost_a_conflict_is_salvaged_too(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct lines lines, lost;
    struct avj_pack pack = {0};
    char *out = test_path(f->folder, "out");

    avj_entry_begin(&pack, AVJ_E_CONFLICT, (uint64_t)3 << 40, "session-a", AVJ_MESSAGE, "message-3",
                    3);
    avj_pack_cstr(&pack, "s");
    avj_pack_int(&pack, 3);
    avj_pack_cstr(&pack, "m");
    avj_pack_cstr(&pack, "edited later elsewhere");
    avj_pack_cstr(&pack, "f");
    avj_pack_map(&pack, 1);
    avj_pack_cstr(&pack, "content");
    avj_pack_cstr(&pack, "the lost text");
    append_bad_record(f->dir, pack.data, pack.len);
    avj_pack_release(&pack);
    salvage_to(f, &done, &lines);
    assert_int_equal(done.conflicts, 1);
    read_lines(out, "conflicts.jsonl", &lost);
    assert_int_equal(lost.count, 1);
    assert_string_equal(text_of(lost.items[0], "id"), "message-3");
    assert_string_equal(text_of(lost.items[0], "why"), "edited later elsewhere");
    assert_string_equal(text_of(json_object_get(lost.items[0], "lost"), "content"),
                        "the lost text");
    free_lines(&lines);
    free_lines(&lost);
    free(out);
}

static void a_folder_in_the_journal_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct avj_error err = {0};
    char *out = test_path(f->dir, "out");

    assert_int_equal(fsck_salvage(f->dir, out, NULL, &done, &err), AVJ_EINVAL);
    assert_false(test_exists(out));
    free(out);
}

static void a_salvage_is_not_written_over(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct avj_error err = {0};
    char *out = test_path(f->folder, "out");

    assert_ok(fsck_salvage(f->dir, out, NULL, &done, &err), err);
    assert_int_equal(fsck_salvage(f->dir, out, NULL, &done, &err), AVJ_EEXIST);
    free(out);
}

static void where_nothing_is_found_nothing_is_written(void **state)
{
    struct fixture *f = *state;
    struct fsck_salvaged done;
    struct avj_error err = {0};
    char *out = test_path(f->folder, "out");

    for (unsigned s = 1; s <= SEGMENTS; s++)
        take_away(f->dir, s);
    assert_int_equal(fsck_salvage(f->dir, out, NULL, &done, &err), AVJ_ENOTFOUND);
    assert_false(test_exists(out));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMPTY(all_intact_messages_are_salvaged),
        WHOLE(frames_are_found_without_any_header),
        WHOLE(frames_are_found_in_any_file_at_any_place),
        WHOLE(what_only_looks_like_a_frame_is_not_believed),
        EMPTY(part_of_a_damaged_frame_is_had),
        WHOLE(the_latest_state_wins_also_where_its_beginning_is_lost),
        WHOLE(what_lost_a_conflict_is_salvaged_too),
        WHOLE(a_folder_in_the_journal_is_refused),
        WHOLE(a_salvage_is_not_written_over),
        WHOLE(where_nothing_is_found_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
