/*
 * A journal in a folder of its own for tests that fork: whoever a failed test has left alive is
 * killed before the folder goes.
 */
#ifndef TEST_PROCESS_CASE_H
#define TEST_PROCESS_CASE_H

#include "tests/support/journal_case.h"
#include "tests/support/process.h"

static inline int process_case_teardown(void **state)
{
    process_kill_all();
    return journal_case_teardown(state);
}

#define PROCESS_CASE(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, journal_case_setup, process_case_teardown)

#endif
