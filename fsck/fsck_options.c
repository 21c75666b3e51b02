/* The command line: see fsck_options.h. */
#include "fsck/fsck_options.h"

#include "replay/moment.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPTION_JSON = 256, /* above every character that getopt_long may return */
    OPTION_AUDIT,
    OPTION_MAX_DURATION,
    OPTION_STATE,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_REPAIR,
    OPTION_SALVAGE,
    OPTION_DRY_RUN,
    OPTION_REPORT,
    OPTION_DEEP,
    OPTION_THREAD,
    OPTION_MESSAGE,
    OPTION_SINCE,
};

struct option_row {
    int id;
    const char *name;
    int argument; /* as getopt_long has it */
    const char *placeholder;
    const char *help;
};

static const struct option_row rows[] = {
    {OPTION_JSON, "json", no_argument, "", "one JSON object a finding, the summary last"},
    {OPTION_AUDIT, "audit", optional_argument, " [MESSAGE-ID]",
     "what happened to one message, or to every one"},
    {OPTION_MESSAGE, "message", required_argument, " ID", "audit: this message"},
    {OPTION_THREAD, "thread", required_argument, " ID", "audit: a thread and its messages"},
    {OPTION_SINCE, "since", required_argument, " TIME",
     "audit: from then on (2026-11-22, '2026-11-22 18:09', -2h)"},
    {OPTION_REPORT, "report", required_argument, " FILE.html",
     "all of it drawn, as one page for a browser"},
    {OPTION_DEEP, "deep", no_argument, "",
     "decode every entry in full, load every snapshot and compare"},
    {OPTION_MAX_DURATION, "max-duration", required_argument, " SECONDS",
     "stop after that time and say what was checked"},
    {OPTION_STATE, "state", required_argument, " FILE",
     "go on where a check that ran out of time left off"},
    {OPTION_VERBOSE, "verbose", no_argument, "", "what each finding means, and what was counted"},
    {OPTION_HELP, "help", no_argument, "", "this text"},
    {OPTION_VERSION, "version", no_argument, "", "the version"},
    {OPTION_REPAIR, "repair", no_argument, "",
     "put damage right; what is replaced is kept in DIR/aside"},
    {OPTION_DRY_RUN, "dry-run", no_argument, "", "with --repair: tell what would be done"},
    {OPTION_SALVAGE, "salvage", required_argument, " OUTDIR",
     "write all that can be read to OUTDIR, for avchat import"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
/* A year: whoever wants more wants no limit. */
#define MAX_DURATION_S 31536000.0

void fsck_options_help(FILE *out)
{
    fputs("usage: avchat-fsck [OPTION]... DIR\n\n"
          "Checks the journal in DIR, the folder that avchat init made.  Changes nothing, but\n"
          "with --repair; the journal may be in use, but not for that.\n\n",
          out);
    for (size_t i = 0; i < ROWS; i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s%s", rows[i].name, rows[i].placeholder);
        fprintf(out, "  %-24s %s\n", left, rows[i].help);
    }
    fputs("\nexit: 0 clean, 1 repaired, 4 damage, 8 the check could not be made, 16 wrong usage,\n"
          "64 only the end of the log is not proven (an unsynced write, or no note of what was\n"
          "durable); the sum where several hold\n",
          out);
}

static void complain(struct fsck_command_line *line, const char *format, ...) AVJ_PRINTF(2, 3);

static void complain(struct fsck_command_line *line, const char *format, ...)
{
    if (line->command == FSCK_DO_COMPLAIN)
        return; /* the first is what counts */
    va_list list;
    va_start(list, format);
    vsnprintf(line->complaint, sizeof(line->complaint), format, list);
    va_end(list);
    line->command = FSCK_DO_COMPLAIN;
}

static void read_duration(struct fsck_command_line *line, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !isfinite(seconds) || seconds <= 0 || seconds > MAX_DURATION_S)
        complain(line, "--max-duration takes a number of seconds above 0, not \"%.40s\"", text);
    else
        line->options.max_duration_ms = (int64_t)(seconds * 1000) + (seconds < 0.001);
}

static void audit_of(struct fsck_command_line *line, enum fsck_audit_of of, const char *id)
{
    if (line->options.audit_id)
        complain(line, "one id at a time: \"%.60s\" is too many", id);
    else if (!id[0])
        complain(line, "--audit: the id is empty");
    line->options.audit_of = of;
    line->options.audit_id = id;
    line->named |= of != FSCK_OF_ID;
}

static void take(struct fsck_command_line *line, int id, const char *argument)
{
    switch (id) {
    case OPTION_JSON:
        line->json = true;
        break;
    case OPTION_AUDIT:
        line->audit = true;
        if (argument)
            audit_of(line, FSCK_OF_ID, argument);
        break;
    case OPTION_MESSAGE:
        audit_of(line, FSCK_OF_MESSAGE, argument);
        break;
    case OPTION_THREAD:
        audit_of(line, FSCK_OF_THREAD, argument);
        break;
    case OPTION_SINCE:
        line->since = true;
        if (!avj_moment_parse(argument, &line->options.audit_since_ms))
            complain(line,
                     "--since takes a time (2026-11-22, '2026-11-22 18:09', -2h, -3d), not "
                     "\"%.40s\"",
                     argument);
        break;
    case OPTION_REPORT:
        line->report = argument;
        break;
    case OPTION_DEEP:
        line->options.deep = true;
        break;
    case OPTION_REPAIR:
        line->repair = true;
        break;
    case OPTION_DRY_RUN:
        line->dry_run = true;
        break;
    case OPTION_SALVAGE:
        line->salvage = argument;
        break;
    case OPTION_MAX_DURATION:
        read_duration(line, argument);
        break;
    case OPTION_STATE:
        line->options.state = argument;
        break;
    case OPTION_VERBOSE:
        line->verbose = true;
        break;
    case OPTION_HELP:
        line->command = FSCK_DO_HELP;
        break;
    case OPTION_VERSION:
        line->command = FSCK_DO_VERSION;
        break;
    default:
        break;
    }
}

/* A report needs the audit's numbers, not its events. */
static void settle_audit(struct fsck_command_line *line)
{
    if (!line->audit && (line->named || line->since))
        complain(line, "--message, --thread and --since belong to --audit");
    if (line->report && !line->report[0])
        complain(line, "--report: the file's name is empty");
    line->options.audit = line->audit || line->report;
    if (!line->audit)
        line->options.audit_of = FSCK_OF_NONE;
}

/* DIR, or MESSAGE-ID DIR behind an --audit that was given no id with "=". */
static void take_operands(struct fsck_command_line *line, int count, char **operands)
{
    if (count == 2 && line->audit && !line->options.audit_id) {
        audit_of(line, FSCK_OF_ID, operands[0]);
        operands++;
        count--;
    }
    if (count == 0)
        complain(line, "name the folder of the journal to check");
    else if (count > 1)
        complain(line, "one folder at a time: \"%.60s\" is too many", operands[1]);
    else if (operands[0][0] == 0)
        complain(line, "the folder's name is empty");
    else
        line->path = operands[0];
    settle_audit(line);
    if (line->dry_run && !line->repair)
        complain(line, "--dry-run goes with --repair: without it nothing is changed anyway");
    if (line->repair && (line->salvage || line->options.audit || line->options.max_duration_ms))
        complain(line, "--repair goes without --salvage, --audit, --report and --max-duration");
    if (line->salvage && (line->options.audit || line->options.max_duration_ms))
        complain(line, "--salvage goes without --audit, --report and --max-duration");
    if (line->options.state && !line->options.state[0])
        complain(line, "--state: the file's name is empty");
    if (line->options.state && (line->repair || line->salvage || line->options.audit))
        complain(line, "--state goes without --repair, --salvage, --audit and --report");
    if (line->salvage && line->salvage[0] == 0)
        complain(line, "--salvage: the folder's name is empty");
}

void fsck_options_parse(int argc, char **argv, struct fsck_command_line *line)
{
    struct option options[ROWS + 1] = {{0}};
    memset(line, 0, sizeof(*line));
    for (size_t i = 0; i < ROWS; i++)
        options[i] = (struct option){rows[i].name, rows[i].argument, NULL, rows[i].id};
    optind = 0; /* begin anew, whoever parsed before */
    opterr = 0;
    for (;;) {
        int at = optind ? optind : 1;
        int id = getopt_long(argc, argv, ":", options, NULL);
        if (id == -1 || line->command == FSCK_DO_HELP || line->command == FSCK_DO_VERSION)
            break;
        if (id == ':')
            complain(line, "\"%.60s\" needs a value", argv[optind - 1]);
        else if (id == '?')
            complain(line, "unknown option \"%.60s\"", argv[at < argc ? optind - 1 : at]);
        else
            take(line, id, optarg);
    }
    if (line->command == FSCK_DO_CHECK)
        take_operands(line, argc - optind, argv + optind);
}
