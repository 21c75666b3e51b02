/* The checker and snapshots: whole ones are proven, every damage of one is told apart from damage
 * of the log. */
#include "tests/integration/fsck_case.h"

#include "replay/slot.h"
#include "replay/snapshot_file.h"

#include <unistd.h>

/* ---- a journal with two snapshots and a tail behind them ---- */

static struct avj_store *open_store(const char *dir)
{
    struct avj_store *store = NULL;
    struct avj_error err = {0};

    assert_ok(avj_store_open(dir, NULL, &store, &err), err);
    return store;
}

static void edit(struct avj_store *store, const char *id, const char *text)
{
    struct avj_error err = {0};

    assert_ok(avj_message_edit(store, id, text, strlen(text), &err), err);
}

static void take_snapshot(struct avj_store *store)
{
    struct avj_error err = {0};

    assert_ok(avj_store_snapshot(store, NULL, &err), err);
}

static int setup_snapshots(void **state)
{
    struct avj_error err = {0};

    setup(state);
    struct fixture *f = *state;
    struct avj_store *store = open_store(f->dir);
    edit(store, "message-3", "edited once");
    assert_ok(avj_message_delete(store, "message-5", &err), err);
    assert_ok(avj_thread_rename(store, "thread-1", "renamed", &err), err);
    take_snapshot(store);
    edit(store, "message-3", "edited twice");
    edit(store, "message-4", "edited");
    take_snapshot(store);
    edit(store, "message-6", "edited behind");
    assert_ok(avj_message_delete(store, "message-7", &err), err);
    avj_store_close(store);
    return 0;
}

static char *newest(const char *dir)
{
    char *folder = test_path(dir, "snapshots"), *path = test_last_name(folder, ".snap");

    assert_non_null(path);
    free(folder);
    return path;
}

/* ---- bytes of a snapshot ---- */

static void flip_at(const char *dir, uint64_t offset)
{
    char *path = newest(dir);

    test_flip(path, offset, 4);
    free(path);
}

static void flip_in_the_header(const char *dir)
{
    flip_at(dir, 50);
}

static void flip_in_the_content(const char *dir)
{
    flip_at(dir, AVJ_SNAPSHOT_PAGE + 70);
}

static void flip_the_last_byte(const char *dir)
{
    char *path = newest(dir);

    test_flip(path, test_file_size(path) - 1, 1);
    free(path);
}

static void cut_it(const char *dir)
{
    char *path = newest(dir);

    test_truncate_file(path, test_file_size(path) - 1);
    free(path);
}

static void empty_it(const char *dir)
{
    char *path = newest(dir);

    test_truncate_file(path, 0);
    free(path);
}

static void rename_it(const char *dir)
{
    char *path = newest(dir), *other = test_path(dir, "snapshots/%016x.snap", 2);

    assert_int_equal(rename(path, other), 0);
    free(path);
    free(other);
}

/* Its header changed, with a hash that fits: what a defect leaves, or somebody who knows. */
static void forge(const char *dir,
                  void (*change)(struct avj_snapshot_header *header, uint8_t *file))
{
    struct avj_snapshot_header header;
    uint8_t page[AVJ_SNAPSHOT_PAGE];
    char *path = newest(dir);
    size_t len;
    uint8_t *file = test_read_file(path, &len);

    memcpy(page, file, sizeof page);
    assert_true(avj_snapshot_header_decode(page, &header));
    change(&header, file);
    avj_snapshot_header_encode(&header, page);
    memcpy(file, page, sizeof page);
    test_write_file(path, file, len);
    free(file);
    free(path);
}

static void change_digest(struct avj_snapshot_header *header, uint8_t *file)
{
    (void)file;
    header->digest[3] ^= 1;
}

static void change_time(struct avj_snapshot_header *header, uint8_t *file)
{
    (void)file;
    header->hlc++;
}

static void hash_section(struct avj_section *s, const uint8_t *file)
{
    uint8_t hashes[64 * 8];
    size_t count = 0;

    for (uint64_t at = 0; at < s->len; at += AVJ_SNAPSHOT_BLOCK, count++) {
        uint64_t rest = s->len - at;
        size_t len = rest < AVJ_SNAPSHOT_BLOCK ? (size_t)rest : AVJ_SNAPSHOT_BLOCK;
        assert_true(count < 64);
        avj_put_le64(hashes + 8 * count, avj_hash64(file + s->at + at, len));
    }
    s->hash = avj_hash64(hashes, 8 * count);
}

/* The fields of a message that nothing changes later are said to be those of another: no sum
 * notices. */
static void swap_bodies(struct avj_snapshot_header *header, uint8_t *file)
{
    struct avj_section *s = &header->sections[AVJ_SECTION_SLOTS];
    struct avj_slot *slots = (struct avj_slot *)(void *)(file + s->at);
    size_t found[2], count = 0;

    for (size_t i = s->count - 1; i > 0 && count < 2; i--)
        if ((slots[i].flags & AVJ_SLOT_PENDING) && avj_slot_entity(&slots[i]) == AVJ_MESSAGE)
            found[count++] = i;
    assert_int_equal(count, 2);
    avj_slot_set_body(&slots[found[1]], avj_slot_body(&slots[found[0]]));
    hash_section(s, file);
}

/* A thread shows another title, under the digest of the true one. */
static void change_title(struct avj_snapshot_header *header, uint8_t *file)
{
    struct avj_section *s = &header->sections[AVJ_SECTION_DATA];
    uint8_t *title = memmem(file + s->at, (size_t)s->len, "renamed", 7);

    assert_non_null(title);
    title[0] = 'R';
    hash_section(s, file);
}

/* A number that leads nowhere. */
static void lose_a_thread(struct avj_snapshot_header *header, uint8_t *file)
{
    struct avj_section *s = &header->sections[AVJ_SECTION_SLOTS];
    struct avj_slot *slots = (struct avj_slot *)(void *)(file + s->at);

    slots[3].thread = 123456789;
    hash_section(s, file);
}

static void forge_the_digest(const char *dir)
{
    forge(dir, change_digest);
}

static void forge_the_time(const char *dir)
{
    forge(dir, change_time);
}

static void forge_a_body(const char *dir)
{
    forge(dir, swap_bodies);
}

static void forge_a_title(const char *dir)
{
    forge(dir, change_title);
}

static void forge_a_thread(const char *dir)
{
    forge(dir, lose_a_thread);
}

static void make_it_another_version(const char *dir)
{
    char *path = newest(dir);
    size_t len;
    uint8_t *file = test_read_file(path, &len);

    avj_put_le32(file + 8, AVJ_SNAPSHOT_VERSION + 1);
    avj_put_le64(file + AVJ_SNAPSHOT_PAGE - 8, avj_hash64(file, AVJ_SNAPSHOT_PAGE - 8));
    test_write_file(path, file, len);
    free(file);
    free(path);
}

/* ---- snapshots beside another log ---- */

static void leave(const char *dir)
{
    (void)dir;
}

static void take_log_of(const char *dir, const char *other)
{
    char *mine = test_path(dir, "segments"), *theirs = test_path(other, "segments");
    char *sync = test_path(dir, "sync"), *their_sync = test_path(other, "sync");
    size_t len;
    uint8_t *witness = test_read_file(their_sync, &len);

    test_remove_tree(mine);
    test_copy_tree(theirs, mine);
    test_write_file(sync, witness, len);
    free(witness);
    free(their_sync);
    free(sync);
    free(theirs);
    free(mine);
}

static void restore_an_earlier_log(const char *dir)
{
    char *backup = test_path(dir, "../backup");

    test_copy_tree(dir, backup);
    struct avj_store *store = open_store(dir);
    edit(store, "message-8", "behind the backup");
    take_snapshot(store);
    avj_store_close(store);
    take_log_of(dir, backup);
    free(backup);
}

static void put_beside_a_fork(const char *dir)
{
    char *fork = test_path(dir, "../fork");

    test_copy_tree(dir, fork);
    struct avj_store *store = open_store(fork);
    edit(store, "message-8", "in the fork");
    edit(store, "message-8", "and once more");
    avj_store_close(store);
    store = open_store(dir);
    edit(store, "message-8", "here");
    take_snapshot(store);
    avj_store_close(store);
    take_log_of(dir, fork);
    free(fork);
}

static void put_beside_another_journal(const char *dir)
{
    char *other = test_path(dir, "../other");

    build(other, SEGMENTS + 3);
    take_log_of(dir, other);
    free(other);
}

/* ---- files that are no snapshots ---- */

static void write_beside(const char *dir, const char *name)
{
    char *path = test_path(dir, "snapshots/%s", name);

    test_write_file(path, "x", 1);
    free(path);
}

static void leave_an_unfinished_one(const char *dir)
{
    write_beside(dir, "0000000000000009.tmp");
}

static void leave_a_bad_one(const char *dir)
{
    write_beside(dir, "0000000000000009.bad");
}

static void leave_something_unknown(const char *dir)
{
    write_beside(dir, "of-a-later-program");
}

static void remove_the_folder(const char *dir)
{
    char *path = test_path(dir, "snapshots");

    test_remove_tree(path);
    free(path);
}

static void empty_the_folder(const char *dir)
{
    char *path = test_path(dir, "snapshots");

    test_remove_tree(path);
    assert_int_equal(avj_io_posix()->mkdir(NULL, path), 0);
    free(path);
}

static void damage_the_log(const char *dir)
{
    char *path = segment_path(dir, 2);

    test_flip(path, HEADER + 100, 2);
    free(path);
}

/* The end is gone with the record that the newest one ends with. */
static void lose_the_end(const char *dir)
{
    char *path = segment_path(dir, SEGMENTS);

    test_truncate_file(path, HEADER + 8);
    free(path);
}

struct snapshot_case {
    const char *sentence;
    void (*make)(const char *dir);
    bool deep;
    int code;
    enum fsck_code finding; /* FSCK_CODES: none at all */
    const char *detail;
    unsigned findings; /* 0: not counted */
};

static const struct snapshot_case snapshot_cases[] = {
    {"whole snapshots say what the log says", leave, false, FSCK_CLEAN, FSCK_CODES, NULL, 0},
    {"and loaded they still do", leave, true, FSCK_CLEAN, FSCK_CODES, NULL, 0},
    {"a journal needs no snapshots", remove_the_folder, true, FSCK_CLEAN, FSCK_CODES, NULL, 0},
    {"a folder without snapshots is clean", empty_the_folder, true, FSCK_CLEAN, FSCK_CODES, NULL,
     0},
    {"a file that a later program put there is let be", leave_something_unknown, true, FSCK_CLEAN,
     FSCK_CODES, NULL, 0},
    {"a bit wrong in the header is a damaged snapshot and no damage of the journal",
     flip_in_the_header, false, FSCK_CLEAN, FSCK_SNAPSHOT_DAMAGED, "header is not as written", 1},
    {"a bit wrong in the content is", flip_in_the_content, false, FSCK_CLEAN, FSCK_SNAPSHOT_DAMAGED,
     "content is not as written", 1},
    {"so is one in the last byte", flip_the_last_byte, true, FSCK_CLEAN, FSCK_SNAPSHOT_DAMAGED,
     "content is not as written", 1},
    {"a byte too few is a damaged snapshot", cut_it, false, FSCK_CLEAN, FSCK_SNAPSHOT_DAMAGED,
     "not as long", 1},
    {"an empty file is a damaged snapshot", empty_it, true, FSCK_CLEAN, FSCK_SNAPSHOT_DAMAGED,
     "shorter than its header", 1},
    {"a snapshot under the name of another is damaged", rename_it, false, FSCK_CLEAN,
     FSCK_SNAPSHOT_DAMAGED, "name of another", 1},
    {"one of another version is no damage", make_it_another_version, true, FSCK_CLEAN,
     FSCK_SNAPSHOT_OTHER, ".snap", 1},
    {"behind a log that was restored from a backup it is stale", restore_an_earlier_log, false,
     FSCK_CLEAN, FSCK_SNAPSHOT_STALE, "ends before that", 1},
    {"beside a log that went on otherwise it is stale", put_beside_a_fork, true, FSCK_CLEAN,
     FSCK_SNAPSHOT_STALE, "another record", 1},
    {"beside another journal it is stale", put_beside_another_journal, true, FSCK_CLEAN,
     FSCK_SNAPSHOT_STALE, "another journal", 2},
    {"without the records of the end it is stale, and that is damage", lose_the_end, false,
     FSCK_DAMAGE, FSCK_SNAPSHOT_STALE, "ends before that", 0},
    {"a digest that the log does not give is an error", forge_the_digest, false, FSCK_DAMAGE,
     FSCK_SNAPSHOT_DIFFERS, "digest", 1},
    {"so is another time of the last record", forge_the_time, false, FSCK_DAMAGE,
     FSCK_SNAPSHOT_DIFFERS, "time", 1},
    {"content that no digest covers is not looked at", forge_a_body, false, FSCK_CLEAN, FSCK_CODES,
     NULL, 0},
    {"but when it is loaded it is", forge_a_body, true, FSCK_DAMAGE, FSCK_SNAPSHOT_DIFFERS,
     "of message message-", 1},
    {"a title that no digest covers is compared then", forge_a_title, true, FSCK_DAMAGE,
     FSCK_SNAPSHOT_DIFFERS, "what shows of thread thread-1", 1},
    {"numbers that lead nowhere are not followed", forge_a_thread, true, FSCK_DAMAGE,
     FSCK_SNAPSHOT_DIFFERS, "leads nowhere", 1},
    {"an unfinished snapshot is a leftover", leave_an_unfinished_one, false, FSCK_CLEAN,
     FSCK_SNAPSHOT_LEFTOVER, "snapshots/0000000000000009.tmp", 1},
    {"one that was set aside is", leave_a_bad_one, false, FSCK_CLEAN, FSCK_SNAPSHOT_LEFTOVER,
     "snapshots/0000000000000009.bad", 1},
    {"behind damage of the log nothing is held against a snapshot", damage_the_log, true,
     FSCK_DAMAGE, FSCK_PAYLOAD, "", 2},
};

static bool is_as_told(const struct snapshot_case *c, const struct seen *seen)
{
    if (seen->code != c->code)
        return false;
    if (c->finding == FSCK_CODES)
        return seen->findings == 0;
    return seen->by_code[c->finding] && strstr(seen->first[c->finding].detail, c->detail) &&
           (!c->findings || seen->findings == c->findings);
}

static void each_snapshot_gives_its_finding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof snapshot_cases / sizeof snapshot_cases[0]; i++) {
        const struct snapshot_case *c = &snapshot_cases[i];
        struct fixture *f;
        struct seen seen;

        setup_snapshots((void **)&f);
        c->make(f->dir);
        check_with(f->dir, &(struct fsck_options){.deep = c->deep}, &seen);
        bool good = is_as_told(c, &seen);
        if (!good) {
            print_message("%s:\n", c->sentence);
            print_seen(&seen);
        }
        teardown((void **)&f);
        assert_true(good);
    }
}

static void a_snapshot_in_the_making_is_no_leftover(void **state)
{
    struct fixture *f = *state;
    const struct avj_io *io = avj_io_posix();
    char *lock = test_path(f->dir, "snapshots/lock");
    struct seen seen;

    int file = io->open(io->ctx, lock, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    assert_true(file >= 0);
    assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_TAKEN);
    leave_an_unfinished_one(f->dir);
    check(f->dir, &seen);
    assert_int_equal(seen.findings, 0);
    io->close(io->ctx, file);
    check(f->dir, &seen);
    assert_int_equal(seen.by_code[FSCK_SNAPSHOT_LEFTOVER], 1);
    free(lock);
}

static void a_check_leaves_snapshots_as_they_are(void **state)
{
    struct fixture *f = *state;
    char *path = newest(f->dir);
    struct seen seen;
    size_t len, again;

    flip_in_the_content(f->dir);
    uint8_t *before = test_read_file(path, &len);
    check_with(f->dir, &(struct fsck_options){.deep = true}, &seen);
    assert_int_equal(seen.by_code[FSCK_SNAPSHOT_DAMAGED], 1);
    uint8_t *after = test_read_file(path, &again);
    assert_int_equal(len, again);
    assert_memory_equal(before, after, len);
    free(before);
    free(after);
    free(path);
}

/* ---- written while the check runs ---- */

/* The file system with a store that, at call `at`, writes a message and takes a snapshot. */
struct meddler {
    struct avj_store *store;
    uint64_t calls, at;
};

static void meddle(void *ctx)
{
    struct meddler *m = ctx;

    if (++m->calls != m->at)
        return;
    edit(m->store, "message-8", "while it is looked at");
    take_snapshot(m->store);
}

static int meddle_open(void *ctx, const char *path, unsigned flags)
{
    meddle(ctx);
    return avj_io_posix()->open(NULL, path, flags);
}

static ssize_t meddle_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    meddle(ctx);
    return avj_io_posix()->pread(NULL, file, data, len, offset);
}

static int meddle_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                       void *arg)
{
    meddle(ctx);
    return avj_io_posix()->list(NULL, path, each, arg);
}

static void a_snapshot_made_at_any_moment_of_the_check_is_fine(void **state)
{
    struct fixture *f = *state;
    struct avj_io io = *avj_io_posix();
    struct meddler m = {.at = 1, .store = open_store(f->dir)};

    io.ctx = &m;
    io.open = meddle_open;
    io.pread = meddle_pread;
    io.list = meddle_list;
    for (; m.at == 1 || m.calls >= m.at - 1; m.at++) {
        struct seen seen;
        m.calls = 0;
        check_with(f->dir, &(struct fsck_options){.io = &io, .deep = m.at % 2 != 0}, &seen);
        if (seen.code || seen.findings) {
            print_message("a snapshot at call %llu:\n", (unsigned long long)m.at);
            print_seen(&seen);
            fail();
        }
    }
    assert_true(m.at > 20);
    avj_store_close(m.store);
}

int main(void)
{
#define SNAPSHOTS(test) cmocka_unit_test_setup_teardown(test, setup_snapshots, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_snapshot_gives_its_finding),
        SNAPSHOTS(a_snapshot_in_the_making_is_no_leftover),
        SNAPSHOTS(a_check_leaves_snapshots_as_they_are),
        SNAPSHOTS(a_snapshot_made_at_any_moment_of_the_check_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
