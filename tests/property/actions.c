/* The table of actions: see actions.h. */
#include "tests/property/actions.h"

const struct action_kind actions_table[] = {
    {"creates a document", 14, act_create},
    {"updates a document", 16, act_update},
    {"deletes a document", 6, act_delete},
    {"begins a thread", 2, act_new_thread},
    {"sends a message", 8, act_send},
    {"renames a thread", 3, act_rename},
    {"trims a thread", 2, act_trim},
    {"deletes a thread", 2, act_delete_thread},
    {"branches a thread", 2, act_branch},
    {"gives changes up", 1, act_drop},
    {"tries again", 3, act_retry},
    {"restores a conflict", 2, act_restore},
    {"dismisses a conflict", 1, act_dismiss},
    {"pushes", 16, act_push},
    {"is answered", 18, act_settle},
    {"hears events", 22, act_hear},
    {"misses events", 2, act_lose},
    {"sweeps", 4, act_sweep},
    {"closes and opens", 3, act_reopen},
    {"makes a snapshot", 2, act_snapshot},
    {"meets entries of the future", 1, act_unknown},
    {"looks on while another client writes", 16, act_other_writes},
    {"looks on while another client deletes", 4, act_other_deletes},
};

const size_t action_kinds = sizeof(actions_table) / sizeof(actions_table[0]);
