/* The table of commands and options: the only place that names them. */
#include "net/cli.h"

const struct cli_option_info cli_options[CLI_OPTIONS] = {
#define CLI_X(id, name, letter, value) [id] = {name, letter, value},
    CLI_OPTION_TABLE(CLI_X)
#undef CLI_X
};

#define END                                                                                        \
    {                                                                                              \
        CLI_OPTIONS, NULL, NULL                                                                    \
    }

const struct cli_use cli_global_uses[] = {
    {OPT_DIRECTORY, "DIR", "the journal's folder; else $AVCHAT_DIR, else ~/.local/share/avchat"},
    {OPT_JSON, NULL, "print one JSON object a line"},
    {OPT_HELP, NULL, "show help, with a command its own"},
    {OPT_VERSION, NULL, "show the version"},
    END,
};

static const struct cli_use init_uses[] = {
    {OPT_GUEST, NULL, "a journal without a server (the default)"},
    {OPT_ENDPOINT, "URL", "the Appwrite server; /v1 is added when it is missing"},
    {OPT_PROJECT, "P", "its project's id"},
    {OPT_DATABASE, "D", "its database's id"},
    {OPT_THREADS, "C", "collection of the threads (threads)"},
    {OPT_MESSAGES, "C", "collection of the messages (messages)"},
    {OPT_SUMMARIES, "C", "collection of the summaries (summaries)"},
    {OPT_PROJECTS, "C", "collection of the projects (projects)"},
    END,
};
static const struct cli_use login_uses[] = {
    {OPT_CREATE, NULL, "make the account first"},
    END,
};
static const struct cli_use list_uses[] = {
    {OPT_LIMIT, "N", "only the first N"},
    {OPT_AFTER, "THREAD", "only those behind this thread: the next page"},
    {OPT_PROJECT, "PROJECT", "only those of this project"},
    {OPT_TAG, "TAG", "only those with this tag"},
    {OPT_AT, "SEQ|TIME", "as it was then"},
    END,
};
static const struct cli_use tag_uses[] = {
    {OPT_REMOVE, NULL, "take the tags off instead"},
    {OPT_CLEAR, NULL, "take all tags off; those that are named take their place"},
    END,
};
static const struct cli_use move_uses[] = {
    {OPT_NONE, NULL, "into no project"},
    END,
};
static const struct cli_use project_uses[] = {
    {OPT_DESCRIPTION, "TEXT", "what it is about; empty: none"},
    {OPT_PROMPT, "TEXT", "what an assistant is told first; empty: none"},
    {OPT_COLOR, "N", "number of its color"},
    END,
};
static const struct cli_use project_delete_uses[] = {
    {OPT_MOVE_TO, "PROJECT", "its threads go to this project"},
    {OPT_DELETE_THREADS, NULL, "delete its threads too, with all that is in them"},
    END,
};
static const struct cli_use send_uses[] = {
    {OPT_ROLE, "R", "user (the default), assistant, system or data"},
    {OPT_ATTACH, "FILE", "attach a text file (UTF-8, up to 1 MiB)"},
    END,
};
static const struct cli_use stream_uses[] = {
    {OPT_ROLE, "R", "assistant (the default), user, system or data"},
    {OPT_RESUME, "MSG", "go on with an interrupted answer instead"},
    {OPT_FINISH, "MSG", "end an interrupted answer as it is; reads nothing"},
    END,
};
static const struct cli_use trim_uses[] = {
    {OPT_FROM, "MSG", "the first message to delete"},
    END,
};
static const struct cli_use messages_uses[] = {
    {OPT_LIMIT, "N", "only the newest N; with --after the first N behind it"},
    {OPT_BEFORE, "MSG", "only those before this message"},
    {OPT_AFTER, "MSG", "only those behind this message"},
    {OPT_AT, "SEQ|TIME", "as it was then"},
    END,
};
static const struct cli_use export_uses[] = {
    {OPT_AT, "SEQ|TIME", "as it was then"},
    END,
};
static const struct cli_use search_uses[] = {
    {OPT_THREAD, "THREAD", "only in this thread"},
    {OPT_LIMIT, "N", "only the newest N"},
    {OPT_MATCH_CASE, NULL, "upper and lower case are not the same"},
    {OPT_AT, "SEQ|TIME", "as it was then"},
    END,
};
static const struct cli_use import_uses[] = {
    {OPT_IDS, NULL, "print each id once it is durable"},
    {OPT_UPDATE, NULL, "let lines change documents that are here with other content"},
    END,
};
static const struct cli_use sync_uses[] = {
    {OPT_ONCE, NULL, "push and pull everything, then end (the default)"},
    {OPT_FOLLOW, NULL, "stay, and sync whatever changes here or there"},
    {OPT_DRY_RUN, NULL, "say what would be done, change nothing"},
    {OPT_ACCEPT_DELETIONS, NULL, "let the server's absence remove many documents at once"},
    END,
};
static const struct cli_use log_uses[] = {
    {OPT_FROM, "N", "from this sequence number on"},
    {OPT_TO, "N", "up to and with this sequence number"},
    {OPT_SINCE, "TIME", "only what was written from then on"},
    {OPT_UNTIL, "TIME", "only what was written before then"},
    {OPT_TYPE, "T[,T...]", "only entries of these types (local, push, ack, ...; unknown)"},
    {OPT_THREAD, "THREAD", "only those about this thread and what is in it"},
    {OPT_MESSAGE, "MSG", "only those about this message"},
    {OPT_LIMIT, "N", "only the newest N; with --from or --since the first N"},
    {OPT_FOLLOW, NULL, "stay, and print what is appended"},
    END,
};
static const struct cli_use compact_uses[] = {
    {OPT_KEEP, "all|DAYSd|SIZE", "from now on, keep what nothing needs any more so long"},
    END,
};
static const struct cli_use serve_uses[] = {
    {OPT_LISTEN, "HOST:PORT", "where to listen; port 0 takes a free one (127.0.0.1:0)"},
    {OPT_NO_RATE_LIMIT, NULL, "answer as fast as asked"},
    END,
};

static const char init_about[] = "Makes the journal's folder and the journal in it. Without "
                                 "options it is a guest's journal: everything stays on this "
                                 "machine. With --endpoint, --project and --database it syncs with "
                                 "that Appwrite server after `avchat login`. On a guest's journal "
                                 "that is there already they give it that server; nothing is lost.";
static const char login_about[] =
    "Signs in at the journal's server. The password is asked for on the terminal, or read from the "
    "first line of stdin. "
    "What a guest wrote into the journal before is claimed by the account.";
static const char list_about[] =
    "Lists the threads, pinned ones first, then by their last message, the newest first: id, last "
    "message, messages, pinned, state, title. With --at they are listed as they were after record "
    "SEQ (see avchat log), or at TIME: 2026-11-22, '2026-11-22 18:09', ISO 8601, or -30m, -2h, "
    "-3d, "
    "-1w for so long ago; without a zone it is local time.";
static const char tag_about[] = "Adds tags behind those that the thread has; without a TAG, lists "
                                "them. THREAD may be shortened to 4 or more first characters.";
static const char share_about[] =
    "Makes a thread public and prints the id that it is shared under. "
    "A thread that is shared already keeps its id.";
static const char unshare_about[] =
    "Makes a thread private again. Shared once more it gets another id.";
static const char project_delete_about[] =
    "Deletes a project. Its threads stay, in no project, unless --move-to or --delete-threads says "
    "otherwise.";
static const char project_edit_about[] =
    "Changes what the options name and leaves the rest. To change the name: avchat project rename.";
static const char summary_about[] =
    "Keeps a summary of the thread up to and with MSG and prints its id. TEXT - or no TEXT reads "
    "stdin to its end.";
static const char search_about[] =
    "Finds messages whose content, and threads whose title, has every one of the words, inside "
    "other words too; the newest first. Words in quotes are looked for as they stand.";
static const char conflicts_about[] =
    "Lists what lost a merge and has been neither restored nor dismissed: number, time, kind, id, "
    "whose edit lost, and what it was.";
static const char restore_about[] =
    "Makes what was lost an edit of today. A document that was deleted is made again.";
static const char dismiss_about[] =
    "Takes a conflict off the list. What was lost stays in the log.";
static const char snapshot_about[] =
    "Writes down where everything stands, so that opening need not replay what came before. "
    "Happens "
    "by itself when it pays. Snapshots may be deleted: the log has everything.";
static const char log_about[] =
    "Prints the journal's entries: sequence number, time, type, entity, id, operation and a gist; "
    "with --json in full. TIME: 2026-11-22, '2026-11-22 18:09', ISO 8601, or -30m, -2h, -3d, -1w "
    "for "
    "so long ago; without a zone it is local time.";
static const char branch_about[] = "Copies the thread and its messages up to and with MSG (else "
                                   "all) into a new thread and prints the new thread's id.";
static const char send_about[] =
    "Appends a message and prints its id once it is on stable storage. TEXT - or no TEXT reads "
    "stdin to its end; one "
    "final newline is taken off. With --attach and no TEXT the message has no text of its own.";
static const char stream_about[] =
    "Makes a message and prints its id; what comes on stdin is appended as it comes, and seen by "
    "all "
    "who look. The end of stdin is the end of the answer. A signal interrupts it: what has come is "
    "kept, can be gone on with by --resume, or ended as it is by --finish. The same holds where "
    "the "
    "process was killed.";
static const char import_about[] = "Reads JSON lines {\"kind\": \"thread\" | \"message\" | "
                                   "\"summary\" | \"project\", ...}; a thread stands before its "
                                   "messages. What has been acknowledged survives any crash. A "
                                   "line that is here already with the same content is "
                                   "counted as unchanged, so that an import can be run again; one "
                                   "with other content is reported and skipped. A "
                                   "broken line ends the import; the lines before it stay.";
static const char export_about[] = "Prints projects, then threads by creation, each followed by "
                                   "its messages, oldest first, and its summaries, as JSON "
                                   "lines that import takes.";
static const char messages_about[] = "Prints a thread's messages, oldest first: for people on a "
                                     "terminal, else one line each: id, time, role, state and "
                                     "content, separated by tabs.";
static const char watch_about[] =
    "Prints what is created, changed, deleted or refused by the server (of THREAD, else of all "
    "threads and projects), as processes of this machine and other devices do it, until "
    "interrupted: what happened, kind, id, local or remote, thread, role and text. Lines into a "
    "pipe have tabs between.";
static const char status_about[] = "Says how much is in the journal, what has not reached the "
                                   "server, and who syncs. It asks no server.";
static const char serve_about[] = "Serves an Appwrite-compatible API over this journal, accounts "
                                  "and data included, until interrupted. The journal "
                                  "must be one without a server of its own.";
static const char compact_about[] =
    "Rewrites the journal's finished segments into smaller, well-compressed ones; every record "
    "stays. "
    "Programs that run for long do this by themselves. With --keep it also drops texts and other "
    "fields that nothing shows or needs any more (what was edited since, or deleted, on this and "
    "on "
    "the server's side) once they are older than DAYS, or lie behind the newest SIZE bytes of the "
    "log (500M; 0: at once). That something was done, when and as which version is kept for ever. "
    "The setting stays in the journal for the next time; all, as at first, keeps everything. "
    "Others "
    "may use the journal meanwhile, and it may be interrupted at any time.";
static const char id_about[] =
    "Ids may be shortened to 4 or more first characters where these fit one only.";

const struct cli_command cli_commands[] = {
    {"init", "", "make a journal", init_about, init_uses, 0, 0, CLI_OPEN_NONE, cli_cmd_init},
    {"login", "EMAIL", "sign in", login_about, login_uses, 1, 1, CLI_OPEN_WRITE, cli_cmd_login},
    {"logout", "", "sign out; the journal keeps everything", NULL, NULL, 0, 0, CLI_OPEN_WRITE,
     cli_cmd_logout},
    {"whoami", "", "ask the server who is signed in", NULL, NULL, 0, 0, CLI_OPEN_WRITE,
     cli_cmd_whoami},
    {"thread new", "[TITLE]", "begin a thread and print its id", NULL, NULL, 0, 1, CLI_OPEN_WRITE,
     cli_cmd_thread_new},
    {"thread list", "", "list the threads, pinned first, then the newest", list_about, list_uses, 0,
     0, CLI_OPEN_READ, cli_cmd_thread_list},
    {"thread rename", "THREAD TITLE", "give a thread another title", id_about, NULL, 2, 2,
     CLI_OPEN_WRITE, cli_cmd_thread_rename},
    {"thread pin", "THREAD", "keep a thread on top", id_about, NULL, 1, 1, CLI_OPEN_WRITE,
     cli_cmd_thread_pin},
    {"thread unpin", "THREAD", "undo pin", id_about, NULL, 1, 1, CLI_OPEN_WRITE,
     cli_cmd_thread_unpin},
    {"thread tag", "THREAD [TAG ...]", "add tags to a thread, or list them", tag_about, tag_uses, 1,
     65, CLI_OPEN_WRITE, cli_cmd_thread_tag},
    {"thread share", "THREAD", "make a thread public and print its share id", share_about, NULL, 1,
     1, CLI_OPEN_WRITE, cli_cmd_thread_share},
    {"thread unshare", "THREAD", "undo share", unshare_about, NULL, 1, 1, CLI_OPEN_WRITE,
     cli_cmd_thread_unshare},
    {"thread move", "THREAD [PROJECT]", "put a thread into a project", id_about, move_uses, 1, 2,
     CLI_OPEN_WRITE, cli_cmd_thread_move},
    {"thread branch", "THREAD [MSG]", "copy a thread up to a message", branch_about, NULL, 1, 2,
     CLI_OPEN_WRITE, cli_cmd_thread_branch},
    {"thread delete", "THREAD", "delete a thread with its messages", id_about, NULL, 1, 1,
     CLI_OPEN_WRITE, cli_cmd_thread_delete},
    {"project new", "NAME", "make a project and print its id", NULL, project_uses, 1, 1,
     CLI_OPEN_WRITE, cli_cmd_project_new},
    {"project list", "", "list the projects", NULL, NULL, 0, 0, CLI_OPEN_READ,
     cli_cmd_project_list},
    {"project rename", "PROJECT NAME", "give a project another name", id_about, NULL, 2, 2,
     CLI_OPEN_WRITE, cli_cmd_project_rename},
    {"project edit", "PROJECT", "change what a project is about", project_edit_about, project_uses,
     1, 1, CLI_OPEN_WRITE, cli_cmd_project_edit},
    {"project delete", "PROJECT", "delete a project", project_delete_about, project_delete_uses, 1,
     1, CLI_OPEN_WRITE, cli_cmd_project_delete},
    {"send", "THREAD [TEXT | -]", "append a message and print its id", send_about, send_uses, 1, 2,
     CLI_OPEN_WRITE, cli_cmd_send},
    {"stream", "[THREAD]", "append an answer that grows as stdin comes", stream_about, stream_uses,
     0, 1, CLI_OPEN_WRITE, cli_cmd_stream},
    {"edit", "MSG [TEXT | -]", "give a message another text", id_about, NULL, 1, 2, CLI_OPEN_WRITE,
     cli_cmd_edit},
    {"delete", "MSG", "delete a message", id_about, NULL, 1, 1, CLI_OPEN_WRITE, cli_cmd_delete},
    {"trim", "THREAD --from MSG", "delete a message and all behind it", id_about, trim_uses, 1, 1,
     CLI_OPEN_WRITE, cli_cmd_trim},
    {"messages", "THREAD", "print a thread's messages", messages_about, messages_uses, 1, 1,
     CLI_OPEN_READ, cli_cmd_messages},
    {"summary add", "THREAD MSG [TEXT | -]", "keep a summary and print its id", summary_about, NULL,
     2, 3, CLI_OPEN_WRITE, cli_cmd_summary_add},
    {"summary list", "THREAD", "list the summaries of a thread", id_about, NULL, 1, 1,
     CLI_OPEN_READ, cli_cmd_summary_list},
    {"search", "WORD ...", "find messages and threads by words", search_about, search_uses, 1, 64,
     CLI_OPEN_READ, cli_cmd_search},
    {"watch", "[THREAD]", "print changes as they happen", watch_about, NULL, 0, 1, CLI_OPEN_READ,
     cli_cmd_watch},
    {"import", "FILE | -", "take in JSON lines", import_about, import_uses, 1, 1, CLI_OPEN_WRITE,
     cli_cmd_import},
    {"export", "[THREAD]", "print JSON lines", export_about, export_uses, 0, 1, CLI_OPEN_READ,
     cli_cmd_export},
    {"sync", "", "push what is pending, pull what is new", NULL, sync_uses, 0, 0, CLI_OPEN_WRITE,
     cli_cmd_sync},
    {"status", "", "show the state of the journal", status_about, NULL, 0, 0, CLI_OPEN_READ,
     cli_cmd_status},
    {"pending", "", "list what has not reached the server", NULL, NULL, 0, 0, CLI_OPEN_READ,
     cli_cmd_pending},
    {"parked", "", "list what the server refused, and why", NULL, NULL, 0, 0, CLI_OPEN_READ,
     cli_cmd_parked},
    {"retry", "ID", "let a parked change try again", id_about, NULL, 1, 1, CLI_OPEN_WRITE,
     cli_cmd_retry},
    {"drop", "ID", "give a parked change up", id_about, NULL, 1, 1, CLI_OPEN_WRITE, cli_cmd_drop},
    {"conflicts", "", "list what lost a merge", conflicts_about, NULL, 0, 0, CLI_OPEN_READ,
     cli_cmd_conflicts},
    {"conflicts restore", "ID", "make what was lost an edit of today", restore_about, NULL, 1, 1,
     CLI_OPEN_WRITE, cli_cmd_conflicts_restore},
    {"conflicts dismiss", "ID", "take a conflict off the list", dismiss_about, NULL, 1, 1,
     CLI_OPEN_WRITE, cli_cmd_conflicts_dismiss},
    {"log", "", "print the journal's entries", log_about, log_uses, 0, 0, CLI_OPEN_NONE,
     cli_cmd_log},
    {"snapshot", "", "write down where everything stands", snapshot_about, NULL, 0, 0,
     CLI_OPEN_WRITE, cli_cmd_snapshot},
    {"compact", "", "rewrite finished segments into less space", compact_about, compact_uses, 0, 0,
     CLI_OPEN_NONE, cli_cmd_compact},
    {"serve", "", "be an Appwrite server over this journal", serve_about, serve_uses, 0, 0,
     CLI_OPEN_WRITE, cli_cmd_serve},
    {"help", "[COMMAND]", "show help", NULL, NULL, 0, 2, CLI_OPEN_NONE, cli_cmd_help},
};

const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);
