/* Running bench-child: see life.h. */
#include "tests/bench/life/life.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 10

static char *child_program(void)
{
    char *folder = bench_own_folder(), *program = test_path(folder, "bench-child");

    free(folder);
    return program;
}

struct life_answer life_ask(const struct bench *bench, const char *verb, const char *engine,
                            const char *folder, ...)
{
    char *program = child_program(), *dir = test_path(bench->dir, "%s", folder);
    char *argv[ARGUMENTS_MAX] = {program, (char *)(uintptr_t)verb, (char *)(uintptr_t)engine, dir};
    struct process process;
    struct life_answer answer;
    va_list list;
    int status;

    va_start(list, folder);
    for (size_t i = 4; i + 1 < ARGUMENTS_MAX; i++)
        if (!(argv[i] = va_arg(list, char *)))
            break;
    va_end(list);
    process = process_start(argv, NULL, 0);
    answer.text = process_finish(&process, &status, NULL);
    if (status != 0)
        bench_die("bench-child %s %s %s failed", verb, engine, folder);
    free(program);
    free(dir);
    return answer;
}

bool life_answer_has(const struct life_answer *answer, const char *name, uint64_t *value)
{
    size_t len = strlen(name);

    for (const char *line = answer->text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            *value = strtoull(line + len + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

uint64_t life_answer(const struct life_answer *answer, const char *name)
{
    uint64_t value;

    if (!life_answer_has(answer, name, &value))
        bench_die("bench-child says no %s", name);
    return value;
}

void life_answer_free(struct life_answer *answer)
{
    free(answer->text);
    answer->text = NULL;
}

void life_write_and_kill(const struct bench *bench, const char *engine, const char *folder,
                         size_t messages)
{
    char *program = child_program(), *dir = test_path(bench->dir, "%s", folder);
    char *argv[] = {program, "write", (char *)(uintptr_t)engine, dir, NULL}, said[4096];
    struct process process = process_start(argv, NULL, 0);
    int status;

    while (messages > 0) {
        ssize_t got = read(process.out, said, messages < sizeof said ? messages : sizeof said);
        if (got == 0 || (got < 0 && errno != EINTR))
            bench_die("bench-child: %s stopped writing", engine);
        messages -= got > 0 ? (size_t)got : 0;
    }
    kill(process.pid, SIGKILL);
    free(process_finish(&process, &status, NULL));
    if (!WIFSIGNALED(status))
        bench_die("bench-child: %s ended before it was killed", engine);
    free(program);
    free(dir);
}
