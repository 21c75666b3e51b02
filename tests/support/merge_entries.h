/*
 * Entries of one message, "m", as short JSON: ' for ", @n for the stamp of second n of a minute,
 * V("n") for the same moment as a version.  For the tests of the merge rules.
 *
 * Threading: pure functions; uses cmocka's assertions.
 */
#ifndef TEST_MERGE_ENTRIES_H
#define TEST_MERGE_ENTRIES_H

#include "net/json.h"
#include "tests/support/cases.h"

#define BASE(v, content) REMOTE("r", v, content)
#define REMOTE(r, v, content)                                                                      \
    "{'t':'remote','e':'message','i':'m','r':'" r "','v':'" v                                      \
    "','f':{'id':'m','content':'" content "'}}"
#define REMOTE_ROLE(v, content, role)                                                              \
    "{'t':'remote','e':'message','i':'m','r':'r','v':'" v "','f':{'id':'m','role':'" role          \
    "','content':'" content "'}}"
#define GONE(v) "{'t':'remote','e':'message','i':'m','r':'r','v':'" v "'}"
#define CREATE(content)                                                                            \
    "{'t':'local','h':@5,'o':'create','e':'message','i':'m','f':{'id':'m','content':'" content "'" \
    "}"                                                                                            \
    "}"
#define EDIT(at, content)                                                                          \
    "{'t':'local','h':@" at ",'o':'update','e':'message','i':'m','f':{'content':'" content "'}}"
#define DELETE     "{'t':'local','h':@5,'o':'delete','e':'message','i':'m'}"
#define PUSH(upto) "{'t':'push','a':'x','v':'single','d':[['message','m','r'," upto ",'update']]}"
#define ACK(upto, v, content)                                                                      \
    "{'t':'ack','e':'message','i':'m','r':'r','s':" upto ",'x':200,'v':'" v                        \
    "','k':[],'f':{'id':'m','content':'" content "'}}"
#define REJECT(upto)   "{'t':'reject','e':'message','i':'m','s':" upto ",'x':400,'y':'bad','m':'no'}"
#define SHOWS(content) "{'id':'m','content':'" content "'}"

/* Versions: second n of the minute; edits are stamped @n the same way. */
#define V(n) "2026-11-22T18:00:0" n ".000+00:00"

/* Milliseconds of second 0 of that minute. */
#define MERGE_EPOCH_MS 1795370400000u

/* JSON with ' for " and @n for the stamp of second n.  malloc'd. */
static inline char *merge_expand(const char *text)
{
    char *out = calloc(1, 4096), *to = out;
    assert_non_null(out);
    for (; *text; text++) {
        assert_true(to - out < 4000);
        if (*text == '@') {
            uint64_t ms = MERGE_EPOCH_MS + (uint64_t)(*++text - '0') * 1000u;
            to += snprintf(to, 32, "%llu", (unsigned long long)ms << 16);
        } else
            *to++ = *text == '\'' ? '"' : *text;
    }
    return out;
}

static inline json_t *merge_parse(const char *text)
{
    char *json = merge_expand(text);
    json_error_t why;
    json_t *root = json_loads(json, 0, &why);
    if (!root)
        print_error("%s: %s\n", json, why.text);
    assert_non_null(root);
    free(json);
    return root;
}

#endif
