/* Made-up conversations: see messages.h. */
#include "tests/support/messages.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOPIC_WORDS (sizeof((struct message_maker *)0)->topic / sizeof(uint32_t))
/* Spread of the lengths: makes a message's JSON 930 bytes long on average with the medians below.
 */
#define LENGTH_SIGMA     0.87
#define USER_MEDIAN      80.0
#define ASSISTANT_MEDIAN 900.0
/* 2025-03-01T08:00:00Z, in seconds; messages are half a minute apart. */
#define FIRST_TIME 1740816000
#define TIME_STEP  30

static const char *const common[] = {
    "the",    "to",       "and",     "of",     "a",       "is",    "in",    "you",    "that",
    "it",     "for",      "on",      "with",   "are",     "be",    "this",  "as",     "can",
    "or",     "if",       "not",     "your",   "from",    "have",  "one",   "an",     "by",
    "but",    "more",     "when",    "at",     "which",   "so",    "time",  "will",   "there",
    "use",    "each",     "make",    "than",   "first",   "water", "been",  "call",   "who",
    "its",    "now",      "find",    "long",   "down",    "day",   "did",   "get",    "come",
    "made",   "may",      "part",    "would",  "into",    "like",  "some",  "could",  "them",
    "see",    "other",    "then",    "about",  "many",    "these", "how",   "their",  "way",
    "number", "people",   "between", "should", "because", "small", "value", "before", "answer",
    "simple", "question", "example", "also",   "need",    "list",  "name",  "good",   "new",
    "same",   "right",    "think",   "help",   "through", "much",  "line",  "turn",   "cause",
    "mean",   "differ",   "move",    "does",   "tell",    "set",   "three", "want",   "air",
    "well",   "play",     "end",     "put",    "home",    "read",  "hand",  "port",   "large",
    "spell",  "add",      "even",
};

static const char *const stems[] = {
    "account", "balanc",    "budget",   "calend",   "charg",    "climb",   "cloud",   "compar",
    "comput",  "connect",   "consid",   "contain",  "cook",     "count",   "cover",   "creat",
    "cycl",    "decid",     "deliver",  "depend",   "design",   "detail",  "develop", "direct",
    "discuss", "draw",      "edit",     "engin",    "estim",    "explain", "explor",  "famil",
    "filter",  "finish",    "flavour",  "forecast", "form",     "garden",  "gather",  "govern",
    "grow",    "harvest",   "heat",     "histor",   "imagin",   "improv",  "index",   "journ",
    "kitchen", "label",     "langu",    "layer",    "learn",    "letter",  "light",   "limit",
    "listen",  "locat",     "machin",   "manag",    "market",   "measur",  "mechan",  "memor",
    "method",  "mirror",    "mount",    "natur",    "network",  "notic",   "observ",  "operat",
    "order",   "organ",     "origin",   "paint",    "parallel", "pattern", "perform", "period",
    "plan",    "planet",    "point",    "practic",  "prepar",   "present", "princip", "print",
    "problem", "process",   "produc",   "program",  "project",  "protect", "provid",  "question",
    "random",  "react",     "reason",   "record",   "reduc",    "reflect", "relat",   "remov",
    "repeat",  "requir",    "research", "respond",  "return",   "river",   "rotat",   "sampl",
    "schedul", "search",    "season",   "separat",  "serv",     "signal",  "solv",    "sound",
    "spread",  "stabil",    "storag",   "stretch",  "struct",   "studi",   "summar",  "surfac",
    "switch",  "system",    "teach",    "temper",   "tend",     "thread",  "togeth",  "track",
    "tradit",  "transform", "travel",   "updat",    "valid",    "variab",  "vehicl",  "window",
};

static const char *const endings[] = {"",   "e",    "s",    "ed",   "ing", "er",    "ers",  "ation",
                                      "al", "ive",  "able", "ment", "ly",  "or",    "ity",  "ful",
                                      "ic", "ical", "ance", "ence", "ist", "ing's", "ions", "ary"};

static const char *const openings[] = {
    "Here is a short overview",
    "That depends on what you need",
    "Good question",
    "There are several ways to do this",
    "Let us go through it step by step",
    "In short",
    "Yes, that works",
    "Not quite",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define VOCABULARY   (COUNT(common) + COUNT(stems) * COUNT(endings))

void message_maker_init(struct message_maker *maker, uint64_t seed)
{
    memset(maker, 0, sizeof *maker);
    test_rng_init(&maker->rng, seed);
    maker->buffer = malloc(MESSAGE_MAX + 1);
    if (!maker->buffer)
        abort();
}

void message_maker_release(struct message_maker *maker)
{
    free(maker->buffer);
    maker->buffer = NULL;
}

int message_is_first(const struct message *message)
{
    return message->number % MESSAGES_PER_THREAD == 0;
}

void message_new_thread(struct message_maker *maker)
{
    maker->number +=
        (MESSAGES_PER_THREAD - maker->number % MESSAGES_PER_THREAD) % MESSAGES_PER_THREAD;
}

/* Zipf's law: the chance of a word falls with its rank. */
static uint32_t any_word(struct test_rng *rng)
{
    double rank = exp(test_rng_unit(rng) * log((double)VOCABULARY));

    return (uint32_t)rank - 1;
}

static void add(struct message_maker *maker, size_t limit, const char *text)
{
    size_t n = strlen(text);

    if (n > limit - maker->used)
        n = limit - maker->used;
    memcpy(maker->buffer + maker->used, text, n);
    maker->used += n;
}

static void add_word(struct message_maker *maker, size_t limit, bool capital)
{
    bool of_topic = test_rng_below(&maker->rng, 100) < 6;
    uint32_t word =
        of_topic ? maker->topic[test_rng_below(&maker->rng, TOPIC_WORDS)] : any_word(&maker->rng);
    size_t at = maker->used;

    if (word < COUNT(common)) {
        add(maker, limit, common[word]);
    } else {
        add(maker, limit, stems[(word - COUNT(common)) % COUNT(stems)]);
        add(maker, limit, endings[(word - COUNT(common)) / COUNT(stems)]);
    }
    if (capital && at < maker->used)
        maker->buffer[at] = (char)(maker->buffer[at] - 'a' + 'A');
}

static void add_sentence(struct message_maker *maker, size_t limit, const char *end)
{
    size_t words = 5 + test_rng_below(&maker->rng, 14);

    for (size_t i = 0; i < words && maker->used < limit; i++) {
        if (i > 0)
            add(maker, limit, test_rng_below(&maker->rng, 12) == 0 ? ", " : " ");
        add_word(maker, limit, i == 0);
        if (test_rng_below(&maker->rng, 60) == 0) {
            char number[16];
            snprintf(number, sizeof number, " %u", (unsigned)test_rng_below(&maker->rng, 2000));
            add(maker, limit, number);
        }
    }
    add(maker, limit, end);
}

/* Paragraphs, now and then a list, as an assistant writes. */
static void add_block(struct message_maker *maker, size_t limit)
{
    uint64_t kind = test_rng_below(&maker->rng, 10), n = 2 + test_rng_below(&maker->rng, 4);

    if (kind < 7) {
        for (uint64_t i = 0; i < n; i++)
            add_sentence(maker, limit, ". ");
        add(maker, limit, "\n\n");
        return;
    }
    for (uint64_t i = 0; i < n + 1; i++) {
        char bullet[16];
        snprintf(bullet, sizeof bullet, "%d. **", (int)i + 1);
        add(maker, limit, kind == 7 ? "- " : bullet);
        add_word(maker, limit, true);
        add(maker, limit, kind == 7 ? ": " : "**: ");
        add_sentence(maker, limit, ".\n");
    }
    add(maker, limit, "\n");
}

static size_t draw_length(struct test_rng *rng, double median)
{
    double len = median * exp(LENGTH_SIGMA * test_rng_normal(rng));

    return len < 2 ? 2 : len > (double)MESSAGE_MAX ? MESSAGE_MAX : (size_t)len;
}

static void make_content(struct message_maker *maker, bool user)
{
    size_t limit = draw_length(&maker->rng, user ? USER_MEDIAN : ASSISTANT_MEDIAN);

    maker->used = 0;
    if (!user && test_rng_below(&maker->rng, 3) == 0) {
        add(maker, limit, openings[test_rng_below(&maker->rng, COUNT(openings))]);
        add(maker, limit, ". ");
    }
    while (maker->used < limit) {
        if (user)
            add_sentence(maker, limit, test_rng_below(&maker->rng, 2) ? "? " : ". ");
        else
            add_block(maker, limit);
    }
    maker->buffer[maker->used] = '\0';
}

static void make_id(struct test_rng *rng, char id[37])
{
    uint64_t high = test_rng_next(rng), low = test_rng_next(rng);

    snprintf(id, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
             (unsigned)(0x8000 | (low >> 48 & 0x3fff)),
             (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

static void format_time(uint64_t number, char out[30])
{
    time_t seconds = (time_t)(FIRST_TIME + number * TIME_STEP);
    struct tm tm;
    char text[20];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 30, "%s.%03u+00:00", text, (unsigned)(number * 137 % 1000));
}

static void start_thread(struct message_maker *maker)
{
    uint64_t ms = (FIRST_TIME + maker->number * TIME_STEP) * 1000;

    snprintf(maker->thread, sizeof maker->thread, "thread_%llu_%09llx", (unsigned long long)ms,
             (unsigned long long)(test_rng_next(&maker->rng) & UINT64_C(0xfffffffff)));
    for (size_t i = 0; i < TOPIC_WORDS; i++)
        maker->topic[i] =
            (uint32_t)(COUNT(common) + test_rng_below(&maker->rng, VOCABULARY - COUNT(common)));
}

void message_next(struct message_maker *maker, struct message *message)
{
    bool user = maker->number % 2 == 0;

    memset(message, 0, sizeof *message);
    message->number = maker->number;
    if (message_is_first(message))
        start_thread(maker);
    make_content(maker, user);
    make_id(&maker->rng, message->id);
    snprintf(message->thread, sizeof message->thread, "%s", maker->thread);
    format_time(maker->number, message->created_at);
    message->role = user ? "user" : "assistant";
    message->model = user ? NULL : "model-large-2";
    message->content = maker->buffer;
    message->len = maker->used;
    maker->number++;
}

char *message_thread_line(const struct message *m)
{
    char *line = NULL;

    if (asprintf(&line,
                 "{\"kind\": \"thread\", \"id\": \"%s\", \"title\": \"Thread %llu\", "
                 "\"createdAt\": \"%s\", \"updatedAt\": \"%s\", "
                 "\"lastMessageAt\": \"%s\", \"isPinned\": false, \"tags\": []}\n",
                 m->thread, (unsigned long long)(m->number / MESSAGES_PER_THREAD), m->created_at,
                 m->created_at, m->created_at) < 0)
        abort();
    return line;
}

/* The generator makes no quotes, backslashes or control characters but newlines. */
static char *escaped(const char *text, size_t len)
{
    char *out = malloc(2 * len + 1);
    size_t used = 0;

    if (!out)
        abort();
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            out[used++] = '\\';
        out[used++] = text[i] == '\n' ? 'n' : text[i];
    }
    out[used] = '\0';
    return out;
}

char *message_line(const struct message *m)
{
    char *line = NULL, *content = escaped(m->content, m->len);

    if (asprintf(&line,
                 "{\"kind\": \"message\", \"id\": \"%s\", \"threadId\": \"%s\", \"role\": \"%s\", "
                 "\"content\": \"%s\", "
                 "\"createdAt\": \"%s\"%s%s%s}\n",
                 m->id, m->thread, m->role, content, m->created_at,
                 m->model ? ", \"model\": \"" : "", m->model ? m->model : "",
                 m->model ? "\"" : "") < 0)
        abort();
    free(content);
    return line;
}
