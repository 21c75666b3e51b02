/* Looking for a text in bytes: characters, their cases, and what is no UTF-8. */
#include "replay/needle.h"
#include "tests/support/cases.h"
#include "tests/support/naive_search.h"
#include "tests/support/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- characters ---- */

static bool is_character(uint32_t c)
{
    return c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

static void test_every_character_comes_back_from_its_bytes_forwards_and_backwards(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t bytes[AVJ_UTF8_MAX];
        uint32_t got = 0, back = 0;
        if (!is_character(c))
            continue;
        size_t len = avj_utf8_encode(c, bytes);
        if (avj_utf8_decode(bytes, len, &got) != len || got != c ||
            avj_utf8_decode_back(bytes, len, &back) != len || back != c)
            fail_msg("U+%04X", (unsigned)c);
        for (size_t cut = 0; cut < len; cut++)
            if (avj_utf8_decode(bytes, cut, &got) != 0)
                fail_msg("U+%04X, cut off", (unsigned)c);
    }
}

static void test_what_is_no_utf8_is_no_character(void **state)
{
    static const struct {
        const char *bytes, *what;
    } rows[] = {
        {"\x80", "a byte that continues nothing"},
        {"\xc0\xaf", "a slash in two bytes"},
        {"\xc1\xbf", "a character of one byte in two"},
        {"\xe0\x9f\xbf", "a character of two bytes in three"},
        {"\xf0\x8f\xbf\xbf", "a character of three bytes in four"},
        {"\xed\xa0\x80", "half of a surrogate pair"},
        {"\xf4\x90\x80\x80", "what lies beyond the last character"},
        {"\xf8\x88\x80\x80\x80", "five bytes"},
        {"\xff", "a byte that never is in UTF-8"},
        {"\xc3\x28", "a second byte that does not continue"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const uint8_t *bytes = (const uint8_t *)rows[i].bytes;
        uint32_t c;
        if (avj_utf8_decode(bytes, strlen(rows[i].bytes), &c) != 0)
            fail_msg("taken for a character: %s", rows[i].what);
        if (i != COUNT(rows) - 1 && avj_utf8_decode_back(bytes, strlen(rows[i].bytes), &c) != 0)
            fail_msg("taken for a character backwards: %s", rows[i].what);
    }
}

/* Sums over CaseFolding.txt of Unicode 15.0, statuses C and S. */
static void test_case_folding_is_unicodes_simple_one(void **state)
{
    uint64_t count = 0, sum = 0;
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint32_t folded = avj_fold_case(c);
        if (folded == c)
            continue;
        count++;
        sum += (uint64_t)c * 31 + folded;
        assert_int_equal(avj_fold_case(folded), folded);
    }
    assert_int_equal(count, 1454);
    assert_int_equal(sum, 1129961095);
}

static void test_the_cases_of_a_character_are_those_that_fold_to_it(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x1ffff; c++) {
        uint32_t cases[AVJ_CASES_MAX], folded = avj_fold_case(c);
        size_t count = avj_cases(folded, cases), found = 0;
        for (size_t i = 0; i < count; i++)
            found += cases[i] == c;
        if (found != 1 || cases[0] != folded)
            fail_msg("U+%04X", (unsigned)c);
    }
}

/* ---- needles ---- */

static void test_a_text_is_found_where_it_stands(void **state)
{
    static const struct {
        const char *needle, *text;
        bool as_it_stands, whatever_its_case;
        const char *what;
    } rows[] = {
        {"fjord", "When to see the fjords?", true, true, "inside a word"},
        {"Fjord", "When to see the fjords?", false, true, "in lower case"},
        {"fjord", "FJORD", false, true, "in upper case"},
        {"fjords", "fjord", false, false, "longer than the text"},
        {"x", "", false, false, "in nothing"},
        {"a", "a", true, true, "all of the text"},
        {"the fjords", "see  the fjords", true, true, "with a blank"},
        {"the fjords", "see the  fjords", false, false, "blanks count"},
        {"straße", "STRASSE", false, false, "one letter is not two"},
        {"straße", "STRAẞE", false, true, "the capital sharp s"},
        {"élève", "ÉLÈVE", false, true, "accents"},
        {"élève", "eleve", false, false, "accents count"},
        {"ПРИВЕТ", "привет, мир", false, true, "Cyrillic"},
        {"ΟΔΟΣ", "οδος, οδός", false, true, "a sigma that ends a word"},
        {"ΑΣ", "ας", false, true, "a final sigma is a sigma"},
        {"日本", "東京は日本の首都", true, true, "Han"},
        {"日木", "東京は日本の首都", false, false, "another character that begins alike"},
        {"kelvin", "\u212Aelvin", false, true, "the sign for kelvin is a k, three bytes long"},
        {"\u212A", "k", false, true, "and the other way round"},
        {"miss", "mi\u017Fs", false, true, "the long s is an s"},
        {"\u0130", "i", false, false, "a dotted capital I has no simple lower case"},
        {"\U00010400", "\U00010428", false, true, "Deseret, four bytes"},
        {"😀", "hello 😀!", true, true, "an emoji"},
        {"😀", "hello 😁!", false, false, "another emoji"},
        {"aab", "aaab", true, true, "behind a false start"},
        {"ss", "s s ss", true, true, "the last of several starts"},
        {"a", "\xff\xfe a", true, true, "behind bytes that are no UTF-8"},
        {"é", "\xe9", false, false, "in another encoding"},
        {"é", "\xc3", false, false, "half a character"},
        {"é", "\xc3\xc3\xa9", true, true, "a character behind half a one"},
        {"\u00a9", "\xe2\x82\xa9", false, false, "the end of another character (won)"},
        {"/", "\xc0\xaf", false, false, "an overlong form"},
        {"ab", "a\xffg b", false, false, "not across bytes that are no UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int match_case = 0; match_case < 2; match_case++) {
            struct avj_needle needle;
            size_t len = strlen(rows[i].text);
            char *text = malloc(len ? len : 1); /* its end is where a sanitizer looks */
            assert_non_null(text);
            memcpy(text, rows[i].text, len);
            assert_int_equal(avj_needle_init(&needle, rows[i].needle, match_case), AVJ_OK);
            bool found = avj_needle_in(&needle, text, len);
            if (found != (match_case ? rows[i].as_it_stands : rows[i].whatever_its_case))
                fail_msg("%s (%s case): %s", rows[i].what,
                         match_case ? "as it stands, with" : "any", found ? "found" : "not found");
            avj_needle_release(&needle);
            free(text);
        }
    }
}

static void test_what_is_no_text_is_no_needle(void **state)
{
    static const char *const rows[] = {"", "\xff", "ab\xc3", "\xed\xa0\x80"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct avj_needle needle;
        assert_int_equal(avj_needle_init(&needle, rows[i], false), AVJ_EINVAL);
    }
}

/* ---- against a search that tries every place ---- */

/* Few letters, so that much is found; some have cases of other lengths, some bytes are no UTF-8. */
static size_t random_text(struct test_rng *rng, size_t letters, bool valid, uint8_t *out)
{
    static const char *const pieces[] = {
        "a", "A", "k",  "K", "\u212A", "s", "S",    "\u017F", " ",        "é",    "É",   "σ",
        "ς", "Σ", "日", "😀", "ß",      "ẞ", "\xc3", "\xff",   "\xe2\x84", "\xaa", "\x84"};
    size_t len = 0, choice = valid ? COUNT(pieces) - 5 : COUNT(pieces);
    for (size_t i = 0; i < letters; i++) {
        const char *piece = pieces[test_rng_below(rng, choice)];
        memcpy(out + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}

static void test_it_finds_what_trying_every_place_finds(void **state)
{
    uint64_t seed = test_rng_seed("needle");
    struct test_rng rng;
    size_t found = 0;
    (void)state;
    test_rng_init(&rng, seed);
    for (int round = 0; round < 20000; round++) {
        uint8_t needle_text[64], text[256];
        size_t needle_len = random_text(&rng, 1 + test_rng_below(&rng, 4), true, needle_text);
        size_t len = random_text(&rng, test_rng_below(&rng, 40), false, text);
        bool match_case = test_rng_below(&rng, 2);
        struct avj_needle needle;
        needle_text[needle_len] = 0;
        assert_int_equal(avj_needle_init(&needle, (char *)needle_text, match_case), AVJ_OK);
        bool wanted = naive_in((char *)needle_text, text, len, match_case);
        if (avj_needle_in(&needle, text, len) != wanted)
            fail_msg("round %d, seed %llu: \"%s\" in \"%.*s\"", round, (unsigned long long)seed,
                     (char *)needle_text, (int)len, (char *)text);
        found += wanted;
        avj_needle_release(&needle);
    }
    assert_true(found > 2000 && found < 18000); /* else the texts prove little */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character_comes_back_from_its_bytes_forwards_and_backwards),
        cmocka_unit_test(test_what_is_no_utf8_is_no_character),
        cmocka_unit_test(test_case_folding_is_unicodes_simple_one),
        cmocka_unit_test(test_the_cases_of_a_character_are_those_that_fold_to_it),
        cmocka_unit_test(test_a_text_is_found_where_it_stands),
        cmocka_unit_test(test_what_is_no_text_is_no_needle),
        cmocka_unit_test(test_it_finds_what_trying_every_place_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
