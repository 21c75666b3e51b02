/* The fold of server states and pending mutations: entries in, the visible document and what is
 * pending out, by the short way through slots and by the long one.  test_merge_table.c has
 * MERGE.md's rows. */
#include "replay/view_private.h"
#include "tests/support/merge_entries.h"

#define ENTRIES_MAX 10

struct merge_case {
    int row; /* in MERGE.md */
    const char *sentence;
    const char *entries[ENTRIES_MAX]; /* JSON; "m" is the message's id everywhere */
    const char *visible;              /* JSON of its fields, NULL: not visible */
    unsigned pending;
    bool parked;
};

static const struct merge_case cases[] = {
    {1, "a row that was not known becomes base", {BASE(V("3"), "a")}, SHOWS("a"), 0, false},
    {2,
     "an older state changes nothing",
     {BASE(V("3"), "a"), BASE(V("2"), "b")},
     SHOWS("a"),
     0,
     false},
    {3,
     "the same state again changes nothing",
     {BASE(V("3"), "a"), BASE(V("3"), "a")},
     SHOWS("a"),
     0,
     false},
    {5, "a newer state becomes base", {BASE(V("3"), "a"), BASE(V("4"), "b")}, SHOWS("b"), 0, false},
    {6, "a delete removes", {BASE(V("3"), "a"), GONE(V("3"))}, NULL, 0, false},
    {7,
     "a delete older than the row is history",
     {BASE(V("4"), "a"), GONE(V("3"))},
     SHOWS("a"),
     0,
     false},
    {8,
     "a state that comes after its own delete stays away",
     {GONE(V("3")), BASE(V("3"), "a")},
     NULL,
     0,
     false},
    {9, "a row made anew is there again", {GONE(V("3")), BASE(V("4"), "a")}, SHOWS("a"), 0, false},
    {10, "a delete of what was never seen leaves nothing to see", {GONE(V("3"))}, NULL, 0, false},
    {11,
     "of two rows with one local id the newest counts",
     {REMOTE("r", V("3"), "a"), REMOTE("q", V("4"), "b")},
     SHOWS("b"),
     0,
     false},
    {11,
     "of two rows with one local id the newest counts, in any order",
     {REMOTE("q", V("4"), "b"), REMOTE("r", V("3"), "a")},
     SHOWS("b"),
     0,
     false},
    {11,
     "the other row takes over when the newest is deleted",
     {REMOTE("q", V("2"), "b"), BASE(V("3"), "a"), GONE(V("3"))},
     SHOWS("b"),
     0,
     false},

    {20,
     "an own echo before the ack settles the edit",
     {BASE(V("3"), "a"), EDIT("5", "b"), PUSH("2"), BASE(V("6"), "b")},
     SHOWS("b"),
     0,
     false},
    {21,
     "the echo of the first of two edits leaves the second",
     {BASE(V("3"), "a"), EDIT("5", "b"), PUSH("2"), EDIT("5", "c"), BASE(V("6"), "b")},
     SHOWS("c"),
     1,
     false},
    {22,
     "an echo after the ack does not roll a later edit back",
     {BASE(V("3"), "a"), EDIT("5", "b"), PUSH("2"), ACK("2", V("6"), "b"), EDIT("7", "c"),
      BASE(V("6"), "b")},
     SHOWS("c"),
     1,
     false},
    {23,
     "an edit of another field is merged",
     {REMOTE_ROLE(V("3"), "a", "user"), EDIT("5", "b"), REMOTE_ROLE(V("6"), "a", "system")},
     "{'id':'m','role':'system','content':'b'}",
     1,
     false},
    {24,
     "a later edit elsewhere wins",
     {BASE(V("3"), "a"), EDIT("5", "b"), BASE(V("6"), "c")},
     SHOWS("c"),
     0,
     false},
    {25,
     "a later edit here wins and stays pending",
     {BASE(V("3"), "a"), EDIT("5", "b"), BASE(V("4"), "c")},
     SHOWS("b"),
     1,
     false},
    {26,
     "the same edit in both places settles",
     {BASE(V("3"), "a"), EDIT("5", "b"), BASE(V("4"), "b")},
     SHOWS("b"),
     0,
     false},
    {28,
     "a delete elsewhere wins over an edit here",
     {BASE(V("3"), "a"), EDIT("5", "b"), GONE(V("3"))},
     NULL,
     0,
     false},
    {29,
     "a delete here wins over an edit elsewhere",
     {BASE(V("3"), "a"), DELETE, BASE(V("6"), "c")},
     NULL,
     1,
     false},
    {30,
     "a delete in both places settles",
     {BASE(V("3"), "a"), DELETE, GONE(V("3"))},
     NULL,
     0,
     false},
    {31,
     "what was made anew outlives the delete of its predecessor",
     {BASE(V("3"), "a"), DELETE, CREATE("b"), GONE(V("3"))},
     SHOWS("b"),
     1,
     false},
    {32,
     "a create that is there already settles",
     {CREATE("a"), BASE(V("3"), "a")},
     SHOWS("a"),
     0,
     false},
    {33,
     "a create that meets an older row with other content stays, as an update",
     {CREATE("b"), BASE(V("3"), "a")},
     SHOWS("b"),
     1,
     false},
    {33,
     "a create that meets a newer row with other content gives way",
     {CREATE("b"), BASE(V("6"), "a")},
     SHOWS("a"),
     1,
     false},
    {34,
     "a create that was sent and deleted elsewhere is gone",
     {CREATE("a"), PUSH("1"), GONE(V("6"))},
     NULL,
     0,
     false},
    {35,
     "the echo of a create leaves the edit behind it",
     {CREATE("a"), PUSH("1"), EDIT("6", "b"), BASE(V("5"), "a")},
     SHOWS("b"),
     1,
     false},

    {0,
     "an ack settles and becomes base",
     {CREATE("a"), PUSH("1"), ACK("1", V("5"), "a")},
     SHOWS("a"),
     0,
     false},
    {0,
     "an ack leaves what came after it",
     {CREATE("a"), PUSH("1"), EDIT("6", "b"), ACK("1", V("5"), "a")},
     SHOWS("b"),
     1,
     false},
    {0,
     "an ack that is older than base settles and leaves base",
     {CREATE("a"), PUSH("1"), BASE(V("7"), "c"), ACK("1", V("5"), "a")},
     SHOWS("c"),
     0,
     false},
    {0,
     "a field that was kept back stays visible",
     {"{'t':'local','h':@5,'o':'create','e':'message','i':'m','f':{'id':'m','content':'a','model':'"
      "x'}}",
      "{'t':'ack','e':'message','i':'m','r':'r','s':1,'x':201,'v':'" V(
          "5") "','k':['model'],'f':{'id':'m','content':'a'}}",
      BASE(V("6"), "b")},
     "{'id':'m','content':'b','model':'x'}",
     0,
     false},
    {0,
     "unknown fields survive an edit",
     {"{'t':'remote','e':'message','i':'m','r':'r','v':'" V(
          "3") "','f':{'zeta':1,'id':'m','content':'a','alpha':[1]}}",
      EDIT("5", "b")},
     "{'id':'m','content':'b','alpha':[1],'zeta':1}",
     1,
     false},
    {0,
     "nil clears a field",
     {REMOTE_ROLE(V("3"), "a", "user"),
      "{'t':'local','h':@5,'o':'update','e':'message','i':'m','f':{'role':null}}"},
     SHOWS("a"),
     1,
     false},
    {0,
     "a rejected edit is parked and stays visible",
     {BASE(V("3"), "a"), EDIT("5", "b"), PUSH("2"), REJECT("2")},
     SHOWS("b"),
     1,
     true},
    {0,
     "a new edit unparks",
     {BASE(V("3"), "a"), EDIT("5", "b"), REJECT("2"), EDIT("6", "c")},
     SHOWS("c"),
     2,
     false},
    {0,
     "an edit behind what was refused is not parked",
     {BASE(V("3"), "a"), EDIT("5", "b"), PUSH("2"), EDIT("6", "c"), REJECT("2")},
     SHOWS("c"),
     2,
     false},
    {0,
     "retry unparks",
     {BASE(V("3"), "a"), EDIT("5", "b"), REJECT("2"), "{'t':'retry','e':'message','i':'m','s':2}"},
     SHOWS("b"),
     1,
     false},
    {0,
     "drop gives the edit up",
     {BASE(V("3"), "a"), EDIT("5", "b"), REJECT("2"), "{'t':'drop','e':'message','i':'m','s':2}"},
     SHOWS("a"),
     0,
     false},
    {0,
     "an edit of what is deleted does nothing",
     {BASE(V("3"), "a"), DELETE, EDIT("6", "b")},
     NULL,
     1,
     false},
    {0,
     "an entry of an unknown type changes nothing",
     {BASE(V("3"), "a"), "{'t':'hologram','e':'message','i':'m','f':{'content':'z'}}"},
     SHOWS("a"),
     0,
     false},
};

static void apply(struct avj_view *view, uint64_t seq, const char *entry)
{
    json_t *root = merge_parse(entry);
    struct avj_pack pack = {0};
    avj_json_pack(&pack, root);
    struct avj_error err;
    assert_ok(avj_view_apply(view, seq, pack.data, pack.len, &err), err);
    avj_pack_release(&pack);
    json_decref(root);
}

static bool slow; /* every entry by way of an open document */

static struct avj_view *new_view(void)
{
    struct avj_view *view = avj_view_new(NULL);
    assert_non_null(view);
    view->slow = slow;
    return view;
}

/* The document, derived; NULL: never heard of.  Valid until the next look. */
static const struct avj_document *look(struct avj_view *view, enum avj_entity entity,
                                       const char *id)
{
    static struct avj_document *made;
    struct avj_document *d;
    struct avj_error err;
    avj_document_free(made);
    made = NULL;
    uint32_t number = avj_view_find(view, entity, id, strlen(id));
    if (!number)
        return NULL;
    assert_ok(avj_view_open(view, number, &d, &err), err);
    if (!(avj_view_slot(view, number)->flags & AVJ_SLOT_OPEN))
        made = d;
    assert_ok(avj_view_load(view, d, &err), err);
    assert_int_equal(avj_document_derive(d), AVJ_OK);
    assert_int_equal(d->visible, avj_view_visible(view, number));
    return d;
}

static struct avj_view *fold(const struct merge_case *c)
{
    struct avj_view *view = new_view();
    for (uint64_t i = 0; i < ENTRIES_MAX && c->entries[i]; i++)
        apply(view, i + 1, c->entries[i]);
    return view;
}

static void check_visible(const struct merge_case *c, const struct avj_document *d)
{
    assert_int_equal(d && d->visible, c->visible != NULL);
    if (!c->visible)
        return;
    json_t *want = merge_parse(c->visible), *got = avj_json_from_fields(avj_document_fields(d));
    char *want_text = json_dumps(want, JSON_COMPACT), *got_text = json_dumps(got, JSON_COMPACT);
    assert_string_equal(got_text, want_text); /* the order of fields too */
    free(want_text);
    free(got_text);
    json_decref(want);
    json_decref(got);
}

static void every_row_of_the_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct merge_case *c = &cases[i];
        print_message("  %d: %s\n", c->row, c->sentence);
        struct avj_view *view = fold(c);
        const struct avj_document *d = look(view, AVJ_MESSAGE, "m");
        check_visible(c, d);
        assert_int_equal(d ? d->pending_count : 0, c->pending);
        assert_int_equal(d && d->parked, c->parked);
        struct avj_view_counts counts;
        avj_view_counts(view, &counts);
        assert_int_equal(counts.pending, c->pending);
        assert_int_equal(counts.visible[AVJ_MESSAGE], c->visible ? 1 : 0);
        avj_view_free(view);
    }
}

/* The sums that the view keeps must be those that its documents give when added up afresh. */
static void the_digest_is_that_of_what_is_visible(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct avj_view *view = fold(&cases[i]), *fresh = new_view();
        const struct avj_document *d = look(view, AVJ_MESSAGE, "m");
        if (d && d->visible) {
            struct avj_pack entry = {0};
            avj_entry_begin(&entry, AVJ_E_REMOTE, 1, NULL, AVJ_MESSAGE, "m", 2);
            avj_pack_cstr(&entry, "r");
            avj_pack_cstr(&entry, "other");
            avj_pack_cstr(&entry, "f");
            avj_pack_raw(&entry, d->shared.data, d->shared.len);
            struct avj_error err;
            assert_ok(avj_view_apply(fresh, 1, entry.data, entry.len, &err), err);
            avj_pack_release(&entry);
        }
        uint8_t a[16], b[16];
        avj_view_digest(view, a);
        avj_view_digest(fresh, b);
        assert_memory_equal(a, b, 16);
        avj_view_free(view);
        avj_view_free(fresh);
    }
}

/* Row 4: two states of one millisecond. */
static void equally_new_states_end_the_same_in_any_order(void **state)
{
    (void)state;
    const struct merge_case one = {4, "", {BASE(V("3"), "a"), BASE(V("3"), "b")}, NULL, 0, false};
    const struct merge_case other = {4, "", {BASE(V("3"), "b"), BASE(V("3"), "a")}, NULL, 0, false};
    struct avj_view *x = fold(&one), *y = fold(&other);
    uint8_t a[16], b[16];
    avj_view_digest(x, a);
    avj_view_digest(y, b);
    assert_memory_equal(a, b, 16);
    avj_view_free(x);
    avj_view_free(y);
}

/* Every order of these remote events gives the same view. */
static void the_order_of_events_does_not_matter(void **state)
{
    (void)state;
    const char *events[] = {BASE(V("2"), "a"), BASE(V("3"), "b"), BASE(V("4"), "c"), GONE(V("4")),
                            REMOTE("q", V("1"), "d")};
    int order[] = {0, 1, 2, 3, 4};
    uint8_t first[16], now[16];
    for (int turn = 0; turn < 120; turn++) {
        struct avj_view *view = new_view();
        int rest[5] = {0, 1, 2, 3, 4}, left = 5, code = turn;
        for (int i = 0; i < 5; i++) {
            int pick = code % left;
            code /= left;
            order[i] = rest[pick];
            memmove(&rest[pick], &rest[pick + 1], (size_t)(--left - pick) * sizeof(*rest));
        }
        for (int i = 0; i < 5; i++) {
            apply(view, (uint64_t)i * 2 + 1, events[order[i]]);
            apply(view, (uint64_t)i * 2 + 2, events[order[i]]); /* and twice each */
        }
        avj_view_digest(view, turn ? now : first);
        if (turn)
            assert_memory_equal(now, first, 16);
        avj_view_free(view);
    }
}

/* Row 27. */
static void a_time_that_grows_never_falls(void **state)
{
    (void)state;
    static const struct {
        const char *mine, *theirs, *stays;
        unsigned pending;
    } turns[] = {
        {V("5"), V("7"), V("7"), 0},
        {V("7"), V("5"), V("7"), 1},
    };
    for (size_t i = 0; i < 2; i++) {
        char edit[256], event[256];
        snprintf(
            edit, sizeof(edit),
            "{'t':'local','h':@5,'o':'update','e':'thread','i':'t','f':{'lastMessageAt':'%s'}}",
            turns[i].mine);
        snprintf(event, sizeof(event),
                 "{'t':'remote','e':'thread','i':'t','r':'r','v':'" V(
                     "8") "','f':{'id':'t','lastMessageAt':'%s'}}",
                 turns[i].theirs);
        struct merge_case c = {27,
                               "",
                               {"{'t':'remote','e':'thread','i':'t','r':'r','v':'" V(
                                    "1") "','f':{'id':'t','lastMessageAt':'" V("1") "'}}",
                                edit, event},
                               NULL,
                               0,
                               false};
        struct avj_view *view = fold(&c);
        const struct avj_document *d = look(view, AVJ_THREAD, "t");
        struct avj_tree *tree;
        struct avj_value v;
        assert_true(avj_fields_get(avj_document_fields(d), "lastMessageAt", &tree, &v));
        assert_true(avj_value_text_is(v, turns[i].stays));
        assert_int_equal(d->pending_count, turns[i].pending);
        avj_tree_free(tree);
        avj_view_free(view);
    }
}

static void a_bad_entry_is_named_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[1]",
        "{'x':1}",
        "{'t':'local','e':'message'}",
        "{'t':'local','e':'message','i':'m','o':'create'}",
        "{'t':'local','e':'message','i':'m','o':'explode','f':{}}",
        "{'t':'ack','e':'message','i':'m'}",
        "{'t':'remote','e':'message','i':'m','f':{}}",
        "{'t':'push','d':[['message']]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct avj_view *view = new_view();
        json_t *root = merge_parse(bad[i]);
        struct avj_pack pack = {0};
        avj_json_pack(&pack, root);
        struct avj_error err = {0};
        assert_int_equal(avj_view_apply(view, 7, pack.data, pack.len, &err), AVJ_EFORMAT);
        assert_contains(err.message, "record 7");
        struct avj_view_counts counts;
        avj_view_counts(view, &counts);
        assert_int_equal(counts.entries, 0);
        avj_pack_release(&pack);
        json_decref(root);
        avj_view_free(view);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_holds),
        cmocka_unit_test(the_digest_is_that_of_what_is_visible),
        cmocka_unit_test(equally_new_states_end_the_same_in_any_order),
        cmocka_unit_test(the_order_of_events_does_not_matter),
        cmocka_unit_test(a_time_that_grows_never_falls),
        cmocka_unit_test(a_bad_entry_is_named_and_changes_nothing),
    };
    int failed = cmocka_run_group_tests_name("merge rules", tests, NULL, NULL);
    slow = true;
    return failed + cmocka_run_group_tests_name("merge rules, slots never taken as they are", tests,
                                                NULL, NULL);
}
