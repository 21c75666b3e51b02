/* The table of actions: see actions.h. */
#include "tests/property/actions.h"

const struct action_kind actions_table[] = {
    {"creates a document", 14, act_create, false},
    {"updates a document", 16, act_update, false},
    {"deletes a document", 6, act_delete, false},
    {"begins a thread", 2, act_new_thread, true},
    {"sends a message", 8, act_send, true},
    {"renames a thread", 3, act_rename, true},
    {"trims a thread", 2, act_trim, true},
    {"deletes a thread", 2, act_delete_thread, false},
    {"branches a thread", 2, act_branch, true},
    {"gives changes up", 1, act_drop, false},
    {"tries again", 3, act_retry, false},
    {"restores a conflict", 2, act_restore, false},
    {"dismisses a conflict", 1, act_dismiss, false},
    {"pushes", 16, act_push, false},
    {"is answered", 18, act_settle, false},
    {"hears events", 22, act_hear, false},
    {"misses events", 2, act_lose, false},
    {"sweeps", 4, act_sweep, false},
    {"closes and opens", 3, act_reopen, false},
    {"makes a snapshot", 2, act_snapshot, false},
    {"compacts its history", 2, act_compact, false},
    {"meets entries of the future", 1, act_unknown, false},
    {"looks on while another client writes", 16, act_other_writes, false},
    {"looks on while another client deletes", 4, act_other_deletes, false},
};

const size_t action_kinds = sizeof(actions_table) / sizeof(actions_table[0]);
