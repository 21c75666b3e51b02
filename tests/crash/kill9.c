/*
 * kill -9 at random moments of the command itself: `avchat import --ids` and `avchat send`.  Every
 * id that was printed is there afterwards, exactly once, with its text whole, and the checker finds
 * at most an unsynced tail.
 */
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/messages.h"
#include "tests/support/process.h"
#include "tests/support/sanitizers.h"

#include <jansson.h>
#include <sys/wait.h>

#define KILLS             (TEST_SANITIZED ? 75 : 200)
#define KILLS_PER_JOURNAL 25
#define IMPORTED          700

static char *bin_dir; /* where the programs are */

/* What was promised: id of a message to its text. */
struct promise {
    char *folder, *dir, *avchat, *fsck;
    json_t *promised;
    struct test_rng rng;
    struct message_maker maker;
    char *thread; /* for send */
};

static char *run(char *const argv[], const char *input, int *status)
{
    struct process process = process_start(argv, input, 0);

    return process_finish(&process, status, NULL);
}

static void init(struct promise *p)
{
    char *init_argv[] = {p->avchat, "-C", p->dir, "init", "--guest", NULL};
    char *thread_argv[] = {p->avchat, "-C", p->dir, "thread", "new", "Killed", NULL};
    int status;

    p->promised = json_object();
    free(run(init_argv, NULL, &status));
    assert_int_equal(status, 0);
    p->thread = run(thread_argv, NULL, &status);
    assert_int_equal(status, 0);
    p->thread[strcspn(p->thread, "\n")] = '\0';
    assert_true(strlen(p->thread) > 0);
}

/* Remembers the ids that were printed as whole lines. */
static size_t take_ids(struct promise *p, char *said, const json_t *texts)
{
    size_t taken = 0;

    for (char *line = said, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *text;
        *end = '\0';
        text = json_object_get(texts, line);
        if (!text)
            fail_msg("an id was printed that was not given: %s", line);
        assert_null(json_object_get(p->promised, line));
        json_object_set(p->promised, line, text);
        taken++;
    }
    return taken;
}

/* Import lines of new messages in `path`; gives their texts by id (threads: null). */
static json_t *make_import(struct promise *p, const char *path)
{
    json_t *texts = json_object();
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    message_new_thread(&p->maker);
    for (int i = 0; i < IMPORTED; i++) {
        struct message message;
        char *line;
        message_next(&p->maker, &message);
        if (message_is_first(&message)) {
            line = message_thread_line(&message);
            fputs(line, file);
            free(line);
            json_object_set_new(texts, message.thread, json_null());
        }
        line = message_line(&message);
        fputs(line, file);
        free(line);
        json_object_set_new(texts, message.id, json_stringn(message.content, message.len));
    }
    assert_int_equal(fclose(file), 0);
    return texts;
}

/* Keeps the kills around the moment that matters, on any machine and however long the journal has
 * grown: later when nothing was said before the last one, earlier when all was. */
static void adjust(unsigned *max_us, bool silent)
{
    *max_us = silent ? *max_us + *max_us / 8 + 100 : *max_us - *max_us / 8;
}

/* Returns how many ids it had said were durable. */
static size_t kill_an_import(struct promise *p, unsigned *max_us)
{
    char *path = test_path(p->folder, "import.jsonl"), *said;
    char *argv[] = {p->avchat, "-C", p->dir, "import", "--ids", path, NULL};
    json_t *texts = make_import(p, path);
    struct process process = process_start(argv, NULL, 0);
    size_t taken;
    int status;

    process_kill_within(&process, &p->rng, *max_us);
    said = process_finish(&process, &status, NULL);
    assert_true(WIFSIGNALED(status) || status == 0);
    taken = take_ids(p, said, texts);
    if (status == 0)
        assert_int_equal(taken, json_object_size(texts));
    adjust(max_us, taken == 0);
    json_decref(texts);
    free(said);
    free(path);
    return taken;
}

static size_t kill_a_send(struct promise *p, unsigned *max_us, int number)
{
    char text[64], *said, *end;
    char *argv[] = {p->avchat, "-C", p->dir, "send", p->thread, text, NULL};
    struct process process;
    size_t taken = 0;
    int status;

    snprintf(text, sizeof text, "message number %d", number);
    process = process_start(argv, NULL, 0);
    process_kill_within(&process, &p->rng, *max_us);
    said = process_finish(&process, &status, NULL);
    assert_true(WIFSIGNALED(status) || status == 0);
    end = strchr(said, '\n');
    if (status == 0)
        assert_non_null(end);
    if (end) {
        *end = '\0';
        json_object_set_new(p->promised, said, json_string(text));
        taken = 1;
    }
    adjust(max_us, taken == 0);
    free(said);
    return taken;
}

/* One exported line: counts it, and compares its text with what was promised under its id. */
static void look_at_line(struct promise *p, const char *line, json_t *seen)
{
    json_t *object = json_loads(line, 0, NULL), *wanted;
    const char *id, *content;

    if (!object)
        fail_msg("exported line is no JSON: %s", line);
    id = json_string_value(json_object_get(object, "id"));
    assert_non_null(id);
    if (json_object_get(seen, id))
        fail_msg("%s was exported twice", id);
    json_object_set_new(seen, id, json_true());
    wanted = json_object_get(p->promised, id);
    content = json_string_value(json_object_get(object, "content"));
    if (json_is_string(wanted) && (!content || strcmp(content, json_string_value(wanted)) != 0))
        fail_msg("%s has another text", id);
    json_decref(object);
}

static void check_export(struct promise *p)
{
    char *argv[] = {p->avchat, "-C", p->dir, "export", NULL};
    json_t *seen = json_object(), *text;
    const char *id;
    int status;
    char *said = run(argv, NULL, &status);

    assert_int_equal(status, 0);
    for (char *line = said, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        look_at_line(p, line, seen);
    }
    json_object_foreach(p->promised, id, text)
    {
        if (!json_object_get(seen, id))
            fail_msg("%s was printed and is not there", id);
    }
    json_decref(seen);
    free(said);
}

static void check_fsck(struct promise *p)
{
    char *argv[] = {p->fsck, p->dir, NULL};
    int status;
    char *said = run(argv, NULL, &status);

    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 64))
        fail_msg("avchat-fsck gave status %d: %s", status, said);
    free(said);
}

/* Time of one whole import, so that the kills fall into it on any machine. */
static unsigned import_time_us(struct promise *p)
{
    uint64_t before = test_now_us();
    char *path = test_path(p->folder, "first.jsonl"), *said;
    char *argv[] = {p->avchat, "-C", p->dir, "import", "--ids", path, NULL};
    json_t *texts = make_import(p, path);
    int status;

    said = run(argv, NULL, &status);
    assert_int_equal(status, 0);
    assert_int_equal(take_ids(p, said, texts), json_object_size(texts));
    json_decref(texts);
    free(said);
    free(path);
    return (unsigned)(test_now_us() - before);
}

static void every_printed_id_survives_kill_9(void **state)
{
    struct promise p = {.folder = test_dir_new()};
    size_t imported = 0, sent = 0;
    uint64_t seed = test_rng_seed(__func__);

    (void)state;
    p.avchat = test_path(bin_dir, "avchat");
    p.fsck = test_path(bin_dir, "avchat-fsck");
    test_rng_init(&p.rng, seed);
    message_maker_init(&p.maker, seed);
    for (int i = 0; i < KILLS / KILLS_PER_JOURNAL; i++) {
        unsigned import_us, send_us;
        p.dir = test_path(p.folder, "journal-%d", i);
        init(&p);
        import_us = send_us = import_time_us(&p);
        for (int k = 0; k < KILLS_PER_JOURNAL; k++) {
            if (k % 2)
                sent += kill_a_send(&p, &send_us, k);
            else
                imported += kill_an_import(&p, &import_us);
            check_fsck(&p);
            check_export(&p);
        }
        json_decref(p.promised);
        free(p.thread);
        test_dir_free(p.dir);
    }
    print_message("%zu imported and %zu sent ids were printed before the kill\n", imported, sent);
    assert_true(imported > 0 && sent > 0);
    message_maker_release(&p.maker);
    test_dir_free(p.folder);
    free(p.avchat);
    free(p.fsck);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_printed_id_survives_kill_9),
    };

    bin_dir = argc > 1 ? argv[1] : getenv("AVJ_BIN");
    if (!bin_dir) {
        fprintf(stderr, "usage: %s FOLDER (of avchat and avchat-fsck)\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
