/*
 * The command line of avchat-fsck: one table of options, from which parsing and --help are made.
 * Threading: getopt_long keeps state of its own: one thread.
 */
#ifndef FSCK_OPTIONS_H
#define FSCK_OPTIONS_H

#include "fsck/fsck.h"

#include <stdio.h>

enum fsck_command { FSCK_DO_CHECK, FSCK_DO_HELP, FSCK_DO_VERSION, FSCK_DO_COMPLAIN };

struct fsck_command_line {
    enum fsck_command command;
    struct fsck_options options; /* strings point into argv */
    const char *path;
    bool json, verbose;
    bool audit, named, since; /* asked for */
    const char *report;       /* file to write; NULL: none */
    bool repair, dry_run;
    const char *salvage; /* folder to write to; NULL: none */
    char complaint[256]; /* with FSCK_DO_COMPLAIN: one line */
};

/* Reads argv (which may be reordered). */
void fsck_options_parse(int argc, char **argv, struct fsck_command_line *line);
void fsck_options_help(FILE *out);

#endif
