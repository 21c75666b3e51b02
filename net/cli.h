/*
 * The `avchat` command: what its files share.  One table (cli_table.c) names every command and
 * option; parsing, help and the tests of the man page follow from it.
 *
 * Convention: functions that can fail and return int return the exit code of the command (CLI_DONE,
 * CLI_FAILED, CLI_USAGE), and have said on stderr, in one line, why.
 *
 * Threading: one thread.  Lifetime: everything in a struct cli lives until main returns.
 */
#ifndef AVJ_CLI_H
#define AVJ_CLI_H

#include "net/json.h"
#include "replay/clock.h"
#include "replay/store.h"

#include <signal.h>
#include <stdio.h>

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* Largest text of a message, and largest line of an import. */
#define CLI_TEXT_MAX ((size_t)12 * 1024 * 1024)
#define CLI_LINE_MAX ((size_t)16 * 1024 * 1024)
/* Fewer records than this are read before anybody could read how far it is. */
#define CLI_SLOW_RECORDS 200000

/* enumerator, long name, letter or 0, takes a value */
#define CLI_OPTION_TABLE(X)                                                                        \
    X(OPT_DIRECTORY, "directory", 'C', true)                                                       \
    X(OPT_JSON, "json", 0, false)                                                                  \
    X(OPT_HELP, "help", 'h', false)                                                                \
    X(OPT_VERSION, "version", 'V', false)                                                          \
    X(OPT_ACCEPT_DELETIONS, "accept-deletions", 0, false)                                          \
    X(OPT_AFTER, "after", 0, true)                                                                 \
    X(OPT_AT, "at", 0, true)                                                                       \
    X(OPT_ATTACH, "attach", 0, true)                                                               \
    X(OPT_BEFORE, "before", 0, true)                                                               \
    X(OPT_CLEAR, "clear", 0, false)                                                                \
    X(OPT_COLOR, "color", 0, true)                                                                 \
    X(OPT_CREATE, "create", 0, false)                                                              \
    X(OPT_DATABASE, "database", 0, true)                                                           \
    X(OPT_DELETE_THREADS, "delete-threads", 0, false)                                              \
    X(OPT_DESCRIPTION, "description", 0, true)                                                     \
    X(OPT_DRY_RUN, "dry-run", 0, false)                                                            \
    X(OPT_ENDPOINT, "endpoint", 0, true)                                                           \
    X(OPT_FINISH, "finish", 0, true)                                                               \
    X(OPT_FOLLOW, "follow", 0, false)                                                              \
    X(OPT_FROM, "from", 0, true)                                                                   \
    X(OPT_GUEST, "guest", 0, false)                                                                \
    X(OPT_IDS, "ids", 0, false)                                                                    \
    X(OPT_KEEP, "keep", 0, true)                                                                   \
    X(OPT_LIMIT, "limit", 0, true)                                                                 \
    X(OPT_LISTEN, "listen", 0, true)                                                               \
    X(OPT_MATCH_CASE, "match-case", 0, false)                                                      \
    X(OPT_MESSAGE, "message", 0, true)                                                             \
    X(OPT_MESSAGES, "messages", 0, true)                                                           \
    X(OPT_MOVE_TO, "move-to", 0, true)                                                             \
    X(OPT_NO_RATE_LIMIT, "no-rate-limit", 0, false)                                                \
    X(OPT_NONE, "none", 0, false)                                                                  \
    X(OPT_ONCE, "once", 0, false)                                                                  \
    X(OPT_PROJECT, "project", 0, true)                                                             \
    X(OPT_PROJECTS, "projects", 0, true)                                                           \
    X(OPT_PROMPT, "prompt", 0, true)                                                               \
    X(OPT_REMOVE, "remove", 0, false)                                                              \
    X(OPT_RESUME, "resume", 0, true)                                                               \
    X(OPT_ROLE, "role", 0, true)                                                                   \
    X(OPT_SINCE, "since", 0, true)                                                                 \
    X(OPT_SUMMARIES, "summaries", 0, true)                                                         \
    X(OPT_TAG, "tag", 0, true)                                                                     \
    X(OPT_THREAD, "thread", 0, true)                                                               \
    X(OPT_THREADS, "threads", 0, true)                                                             \
    X(OPT_TO, "to", 0, true)                                                                       \
    X(OPT_TYPE, "type", 0, true)                                                                   \
    X(OPT_UNTIL, "until", 0, true)                                                                 \
    X(OPT_UPDATE, "update", 0, false)

enum cli_option {
#define CLI_X(id, name, letter, value) id,
    CLI_OPTION_TABLE(CLI_X)
#undef CLI_X
        CLI_OPTIONS,
};

struct cli_option_info {
    const char *name;
    char letter;
    bool takes_value;
};

/* An option as one command takes it; a list of them ends with option == CLI_OPTIONS. */
struct cli_use {
    enum cli_option option;
    const char *value; /* "URL", NULL where it takes none */
    const char *help;
};

enum cli_open {
    CLI_OPEN_NONE,  /* the command needs no journal, or opens it its own way */
    CLI_OPEN_READ,  /* the store, read-only */
    CLI_OPEN_WRITE, /* the store */
};

struct cli;

struct cli_command {
    const char *name;           /* one word, or a group's and its own: "thread new" */
    const char *words;          /* "THREAD [TEXT | -]" */
    const char *summary;        /* one line without a full stop */
    const char *about;          /* a paragraph for its own help, may be NULL */
    const struct cli_use *uses; /* NULL: only the global options */
    unsigned min_words, max_words;
    enum cli_open open;
    int (*run)(struct cli *cli);
};

struct cli {
    const struct cli_command *command; /* NULL: none was named */
    const char *value[CLI_OPTIONS];    /* NULL: not given; "" for options without a value */
    char **words;                      /* behind the command's name */
    size_t word_count;
    char **all_words; /* owned; words points into it */
    char *dir;        /* of the journal; owned */
    bool json;
    bool terminal;       /* stdout is one */
    bool error_terminal; /* stderr is one */
    struct avj_store *store;
    unsigned cells; /* in the row being written (cli_out.c) */
    bool output_failed;
    int output_errno;
};

/* ---- cli_table.c: static storage ---- */
extern const struct cli_option_info cli_options[CLI_OPTIONS];
extern const struct cli_use cli_global_uses[];
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* ---- cli_parse.c ---- */
/* Fills cli from the command line; CLI_DONE or CLI_USAGE.  `help`, --help and --version are left to
 * main. */
int cli_parse(struct cli *cli, int argc, char **argv);
/* By its words; *used gets how many of them name it (2 with "thread new").  NULL: there is none. */
const struct cli_command *cli_command_find(char *const *words, size_t count, size_t *used);
/* True where `word` is the first word of commands of two ("thread"). */
bool cli_is_group(const char *word);
static inline bool cli_given(const struct cli *cli, enum cli_option option)
{
    return cli->value[option] != NULL;
}
/* The option's whole number into *out, which keeps its value where the option is not given. */
int cli_number(struct cli *cli, enum cli_option option, uint64_t max, uint64_t *out);

/* ---- cli_help.c ---- */
void cli_help_all(void);
void cli_help_group(const char *group);
void cli_help_command(const struct cli_command *command);

/* ---- cli_text.c: UTF-8 and what is safe to show ---- */
/* Bytes of the character at text (1 to 4) and its code point; 0 where the bytes are no UTF-8. */
size_t cli_utf8_next(const char *text, size_t len, uint32_t *code);
bool cli_utf8_valid(const char *text, size_t len);
/* The most bytes of text, at most max, that end between two characters. */
size_t cli_utf8_cut(const char *text, size_t len, size_t max);
/* For a terminal: control characters become visible (^[), bidirectional overrides U+FFFD. newlines:
 * "\n" and tab stay. */
void cli_put_safe(FILE *out, const char *text, size_t len, bool newlines);
/* For a pipe: tab, newline, backslash and control characters as \t, \n, \\, \xNN. */
void cli_put_escaped(FILE *out, const char *text, size_t len);
/* "2026-11-22 18:09" in local time; "" for 0. */
#define CLI_LOCAL_TIME 24
void cli_local_time(int64_t ms, char out[CLI_LOCAL_TIME]);

/* ---- cli_out.c: stdout and stderr ---- */
/* "avchat: ..." on stderr, one line. */
void cli_say(const char *format, ...) AVJ_PRINTF(1, 2);
int cli_fail(const char *format, ...) AVJ_PRINTF(1, 2);  /* CLI_FAILED */
int cli_usage(const char *format, ...) AVJ_PRINTF(1, 2); /* CLI_USAGE */
/* Says what the library said and, where it cannot know, the way out.  CLI_FAILED. */
int cli_error(const struct cli *cli, enum avj_status status, const struct avj_error *err);
/* Writes one JSON line; consumes `json`, NULL counts as out of memory. */
void cli_json(struct cli *cli, json_t *json);
/* One object {"kind", "id"} in --json, else the id alone. */
void cli_put_id(struct cli *cli, enum avj_entity entity, const char *id);
/* A document's object: "kind" and its fields.  With flags also "pending" and "parked".  NULL: out
 * of memory. */
json_t *cli_doc_json(const struct avj_doc *doc, bool flags);
/* "streaming", "interrupted", "parked", "pending" or "-". */
const char *cli_state(const struct avj_doc *doc);
/* Rows: on a terminal padded columns, else tab-separated.  Width 0: the last column. */
void cli_cell(struct cli *cli, int width, const char *text, size_t len);
void cli_cell_text(struct cli *cli, int width, const char *text);
void cli_row_end(struct cli *cli);
/* Pushes out what was printed; false when stdout cannot take it (said at the end, by cli_finish).
 */
bool cli_flush(struct cli *cli);
/* Flushes, closes stdout; the exit code given, or CLI_FAILED where output was lost. */
int cli_finish(struct cli *cli, int code);

/* ---- cli_docs.c: finding documents ---- */
/* The id of the document that `text` names: its id, or 4 or more characters that only its id begins
 * with.  NULL after having said why.  The caller frees. */
char *cli_resolve(struct cli *cli, enum avj_entity entity, const char *text);
/* As cli_resolve, but what no document's id begins with is taken as it stands: it may be the id of
 * a deleted one. */
char *cli_resolve_if_there(struct cli *cli, enum avj_entity entity, const char *text);
/* The one of `docs` that `text` names in that way.  `what` is what they are, `list` the command
 * that lists them. */
int cli_pick(const char *what, const char *list, const struct avj_doc *docs, size_t count,
             const char *text, const struct avj_doc **out);
/* A word of the command line that is to be stored: CLI_USAGE when it is no UTF-8. */
int cli_check_text(const char *what, const char *text);
/* The TEXT argument at words[index]; stdin (to its end, one final newline taken off) when it is
 * missing or "-". *out is malloc'd and NUL-terminated. */
int cli_take_text(struct cli *cli, size_t index, char **out, size_t *len);

/* ---- cli_pages.c: long lists, in little memory ---- */
/* Called with one document after the other, which is borrowed; false, or *code other than CLI_DONE,
 * ends the walk. */
typedef bool cli_each_fn(void *arg, const struct avj_doc *doc, int *code);
/* Threads in the order of the list, behind `after` (NULL: all). */
int cli_each_thread(struct cli *cli, const char *after, cli_each_fn *each, void *arg);
/* Messages of a thread, oldest first, behind `after` and in front of `before` (NULL: no bound). */
int cli_each_message(struct cli *cli, const char *thread, const char *after, const char *before,
                     cli_each_fn *each, void *arg);

/* ---- cli_time.c: moments as people write them ---- */
/* The option's time into *ms, which keeps its value where the option is not given.  CLI_USAGE. */
int cli_time(struct cli *cli, enum cli_option option, int64_t *ms);
/* As that, or a sequence number into *seq. */
int cli_moment(struct cli *cli, enum cli_option option, uint64_t *seq, int64_t *ms);

/* ---- cli_message.c ---- */
/* CLI_USAGE where messages have no such role. */
int cli_check_role(const char *role);

/* ---- cli_file.c ---- */
/* All of a descriptor, at most `max` bytes; *out malloc'd and NUL-terminated.  0, EFBIG or an errno
 * value. */
int cli_read_all(int file, size_t max, char **out, size_t *len);
/* Makes the folders above `path` that are missing (0700).  0 or an errno value. */
int cli_make_parents(const char *path);

/* ---- cli_account.c ---- */
/* CLI_DONE where the journal has a server to talk to. */
int cli_need_upstream(const struct cli *cli);

/* ---- cli_stop.c: SIGINT, SIGTERM and SIGHUP as a flag and a descriptor ---- */
struct cli_stop {
    const volatile sig_atomic_t *flag; /* non-zero from the first signal on */
    int fd;                            /* readable from then on */
};
/* From now on these signals ask to stop; a second one ends the process.  CLI_DONE or CLI_FAILED. */
int cli_stop_install(struct cli_stop *stop);
/* Waits until `fd` (-1: none, then at most a quarter of a second) is readable, the stop is asked
 * for, or stdout's reader is gone.  False: end now. */
bool cli_stop_wait(const struct cli_stop *stop, int fd);

/* ---- cli_password.c ---- */
/* From the terminal without echo, or the first line of stdin.  *out malloc'd; the caller clears and
 * frees. */
int cli_password(char **out);

/* ---- the commands, each in the file of its family ---- */
int cli_cmd_init(struct cli *cli);
int cli_cmd_login(struct cli *cli);
int cli_cmd_logout(struct cli *cli);
int cli_cmd_whoami(struct cli *cli);
int cli_cmd_thread_new(struct cli *cli);
int cli_cmd_thread_list(struct cli *cli);
int cli_cmd_thread_rename(struct cli *cli);
int cli_cmd_thread_pin(struct cli *cli);
int cli_cmd_thread_unpin(struct cli *cli);
int cli_cmd_thread_tag(struct cli *cli);
int cli_cmd_thread_share(struct cli *cli);
int cli_cmd_thread_unshare(struct cli *cli);
int cli_cmd_thread_move(struct cli *cli);
int cli_cmd_thread_branch(struct cli *cli);
int cli_cmd_thread_delete(struct cli *cli);
int cli_cmd_project_new(struct cli *cli);
int cli_cmd_project_list(struct cli *cli);
int cli_cmd_project_rename(struct cli *cli);
int cli_cmd_project_edit(struct cli *cli);
int cli_cmd_project_delete(struct cli *cli);
int cli_cmd_send(struct cli *cli);
int cli_cmd_edit(struct cli *cli);
int cli_cmd_delete(struct cli *cli);
int cli_cmd_trim(struct cli *cli);
int cli_cmd_stream(struct cli *cli);
int cli_cmd_messages(struct cli *cli);
int cli_cmd_summary_add(struct cli *cli);
int cli_cmd_summary_list(struct cli *cli);
int cli_cmd_search(struct cli *cli);
int cli_cmd_watch(struct cli *cli);
int cli_cmd_import(struct cli *cli);
int cli_cmd_export(struct cli *cli);
int cli_cmd_sync(struct cli *cli);
int cli_cmd_status(struct cli *cli);
int cli_cmd_pending(struct cli *cli);
int cli_cmd_parked(struct cli *cli);
int cli_cmd_retry(struct cli *cli);
int cli_cmd_drop(struct cli *cli);
int cli_cmd_conflicts(struct cli *cli);
int cli_cmd_conflicts_restore(struct cli *cli);
int cli_cmd_conflicts_dismiss(struct cli *cli);
int cli_cmd_log(struct cli *cli);
int cli_cmd_snapshot(struct cli *cli);
int cli_cmd_compact(struct cli *cli);
int cli_cmd_serve(struct cli *cli);
int cli_cmd_help(struct cli *cli);

#endif
