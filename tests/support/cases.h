/*
 * What every cmocka test includes: the library with the headers it wants before it, and assertions
 * that print the library's own error text.  Never used inside a callback of the library: cmocka
 * leaves by longjmp.
 */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal/status.h"

/* The call must give `wanted`; `err` is the struct avj_error it fills. */
#define assert_status(wanted, call, err)                                                           \
    test_assert_status((wanted), (call), &(err), #call, __FILE__, __LINE__)
#define assert_ok(call, err) assert_status(AVJ_OK, call, err)

static inline void test_assert_status(enum avj_status wanted, enum avj_status got,
                                      const struct avj_error *err, const char *call,
                                      const char *file, int line)
{
    if (got == wanted)
        return;
    print_error("%s:%d: %s\n  wanted: %s\n  got:    %s (%s)\n", file, line, call,
                avj_status_text(wanted), avj_status_text(got),
                got < 0 ? err->message : "no message");
    _fail(file, line);
}

/* The text must contain `part`. */
#define assert_contains(text, part) test_assert_contains((text), (part), __FILE__, __LINE__)

static inline void test_assert_contains(const char *text, const char *part, const char *file,
                                        int line)
{
    if (strstr(text, part))
        return;
    print_error("%s:%d: \"%s\" is not in \"%s\"\n", file, line, part, text);
    _fail(file, line);
}

#endif
