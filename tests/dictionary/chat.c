/* Made-up chat: see chat.h. */
#include "tests/dictionary/chat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)16 * 1024)
/* 2024-05-06T07:00:00Z in seconds; entries are some seconds apart. */
#define FIRST_TIME UINT64_C(1714978800)
/* Room for a time, whatever the compiler thinks an int may hold. */
#define TIME_TEXT 96

/* ---- words ---- */

static uint64_t below(struct chat *chat, uint64_t limit)
{
    return test_rng_below(&chat->rng, limit);
}

static void add(struct chat *chat, const char *text)
{
    size_t len = strlen(text);

    if (len > chat->limit - chat->len)
        len = chat->limit - chat->len;
    memcpy(chat->text + chat->len, text, len);
    chat->len += len;
}

static bool full(const struct chat *chat)
{
    return chat->len == chat->limit;
}

/* Zipf's law: the chance of an item falls with its place. */
static const char *pick(struct chat *chat, const struct text_list *list)
{
    double rank = exp(test_rng_unit(&chat->rng) * log((double)list->count));

    return list->items[(size_t)rank - 1];
}

/* Names and rare words: the dictionary can not know them, and its table of letters is for them. */
static void add_rare_word(struct chat *chat)
{
    static const char *const onsets[] = {"b", "br", "c",  "ch", "d", "f",  "g", "h",  "j",
                                         "k", "l",  "m",  "n",  "p", "pr", "r", "s",  "st",
                                         "t", "th", "tr", "v",  "w", "",   "",  "qu", "z"};
    static const char *const vowels[] = {"a", "e", "i",  "o",  "u",  "e",
                                         "a", "i", "ea", "io", "ou", "y"};
    static const char *const codas[] = {"",  "",  "",  "n",  "r",  "s",  "t",  "l",
                                        "d", "m", "c", "nt", "ng", "rt", "ck", "x"};
    size_t syllables = 1 + below(chat, 4);

    for (size_t i = 0; i < syllables; i++) {
        add(chat, onsets[below(chat, sizeof onsets / sizeof *onsets)]);
        add(chat, vowels[below(chat, sizeof vowels / sizeof *vowels)]);
        add(chat, codas[below(chat, sizeof codas / sizeof *codas)]);
    }
}

static void add_ending(struct chat *chat)
{
    static const char *const endings[] = {"s", "ed", "ing", "ly", "er", "'s", "al", "ness", "ment"};

    if (below(chat, 5) == 0)
        add(chat, endings[below(chat, sizeof endings / sizeof *endings)]);
}

static void add_number(struct chat *chat)
{
    bool whole = below(chat, 3) > 0;
    uint64_t limit = below(chat, 2) ? 100 : 2030;
    char number[32];

    snprintf(number, sizeof number, whole ? "%u" : "%u.5", (unsigned)below(chat, limit));
    add(chat, number);
}

/* A blank unless there is one. */
static void add_blank(struct chat *chat)
{
    if (chat->len > 0 && chat->text[chat->len - 1] != ' ' && chat->text[chat->len - 1] != '\n')
        add(chat, " ");
}

static void capitalise(struct chat *chat, size_t at)
{
    if (at < chat->len && chat->text[at] >= 'a' && chat->text[at] <= 'z')
        chat->text[at] = (char)(chat->text[at] - 'a' + 'A');
}

static void add_token(struct chat *chat)
{
    uint64_t kind = below(chat, 100);

    if (kind < 22) {
        const char *phrase = pick(chat, &chat->texts->phrases);
        add_blank(chat);
        add(chat, *phrase == ' ' ? phrase + 1 : phrase);
        return;
    }
    if (kind < 26)
        add(chat, ",");
    add_blank(chat);
    if (kind < 86) {
        const struct text_list *words = &chat->texts->words;
        add(chat, kind < 60 ? pick(chat, words) : words->items[below(chat, words->count)]);
        add_ending(chat);
    } else if (kind < 98) {
        size_t at = chat->len;
        add_rare_word(chat);
        if (below(chat, 3) == 0)
            capitalise(chat, at);
    } else {
        add_number(chat);
    }
}

/* ---- messages ---- */

static void add_sentence(struct chat *chat, const char *end)
{
    size_t tokens = 4 + below(chat, 14), at;

    add_blank(chat);
    at = chat->len;
    for (size_t i = 0; i < tokens && !full(chat); i++)
        add_token(chat);
    capitalise(chat, at);
    add(chat, end);
}

static void add_list(struct chat *chat)
{
    size_t items = 2 + below(chat, 6);
    uint64_t kind = below(chat, 3);

    for (size_t i = 0; i < items && !full(chat); i++) {
        char mark[16];
        snprintf(mark, sizeof mark, kind ? "%u. " : "- ", (unsigned)i + 1);
        add(chat, mark);
        if (kind == 2) {
            add(chat, "**");
            add_token(chat);
            add(chat, "**: ");
        }
        add_sentence(chat, ".\n");
    }
    add(chat, "\n");
}

static void add_block(struct chat *chat)
{
    uint64_t kind = below(chat, 20);

    if (kind < 2) {
        add(chat, pick(chat, &chat->texts->blocks));
        add(chat, "\n\n");
    } else if (kind < 3) {
        const struct text_list *languages = &chat->texts->languages;
        for (size_t i = 0; i < 3; i++)
            add(chat, languages->items[below(chat, languages->count)]);
    } else if (kind < 7) {
        add_list(chat);
    } else {
        for (size_t i = 2 + below(chat, 4); i > 0 && !full(chat); i--)
            add_sentence(chat, ". ");
        add(chat, "\n\n");
    }
}

static void make_text(struct chat *chat, double median)
{
    double len = median * exp(0.9 * test_rng_normal(&chat->rng));

    chat->len = 0;
    if (chat->silent)
        return;
    chat->limit = len < 2 ? 2 : len > (double)TEXT_MAX ? TEXT_MAX : (size_t)len;
    if (median < 200)
        add_sentence(chat, below(chat, 2) ? "?" : ".");
    while (!full(chat))
        add_block(chat);
    chat->text[chat->len] = '\0';
}

/* ---- entries ---- */

static void hex(struct chat *chat, char *out, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[below(chat, 16)];
    out[digits] = '\0';
}

static void make_id(struct chat *chat, char out[37])
{
    hex(chat, out, 36);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[14] = '4';
    out[19] = "89ab"[below(chat, 4)];
}

static void make_time(struct chat *chat, char out[TIME_TEXT])
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t minutes = chat->number * 7;
    int month = (int)(minutes / 43200 % 12), day = (int)(minutes / 1440) % days[month] + 1;
    int year = 2023 + (int)below(chat, 5), second = (int)below(chat, 60);
    unsigned ms = (unsigned)below(chat, 1000);

    snprintf(out, TIME_TEXT, "%d-%02d-%02dT%02d:%02d:%02d.%03u+00:00", year, month + 1, day,
             (int)(minutes / 60 % 24), (int)(minutes % 60), second, ms);
}

static void pair(struct avj_pack *pack, const char *key, const char *value)
{
    avj_pack_cstr(pack, key);
    avj_pack_cstr(pack, value);
}

static uint64_t stamp(const struct chat *chat)
{
    return (FIRST_TIME + chat->number * 17) * 1000 << 16;
}

static void new_thread(struct chat *chat)
{
    hex(chat, chat->session, 32);
    snprintf(chat->thread, sizeof chat->thread, "thread_%llu_",
             (unsigned long long)(FIRST_TIME * 1000 + chat->number * 17041));
    hex(chat, chat->thread + strlen(chat->thread), 9);
}

static void pack_thread_fields(struct chat *chat, struct avj_pack *pack)
{
    char when[TIME_TEXT];

    make_text(chat, 40);
    make_time(chat, when);
    avj_pack_map(pack, 7);
    pair(pack, "id", chat->thread);
    avj_pack_cstr(pack, "title");
    avj_pack_text(pack, chat->text, chat->len);
    pair(pack, "createdAt", when);
    pair(pack, "updatedAt", when);
    pair(pack, "lastMessageAt", when);
    avj_pack_cstr(pack, "isPinned");
    avj_pack_bool(pack, false);
    avj_pack_cstr(pack, "tags");
    avj_pack_list(pack, 0);
}

static void pack_message_fields(struct chat *chat, struct avj_pack *pack, const char *id, bool user)
{
    static const char *const models[] = {"gpt-4o",          "gpt-4o-mini",      "gpt-4.1",
                                         "claude-sonnet-4", "gemini-2.5-flash", "llama-3-70b",
                                         "deepseek-chat",   "mistral-large"};
    char when[TIME_TEXT];

    make_text(chat, user ? 90 : 800);
    make_time(chat, when);
    avj_pack_map(pack, user ? 5 : 6);
    pair(pack, "id", id);
    pair(pack, "threadId", chat->thread);
    pair(pack, "role", user ? "user" : "assistant");
    avj_pack_cstr(pack, "content");
    avj_pack_text(pack, chat->text, chat->len);
    pair(pack, "createdAt", when);
    if (!user)
        pair(pack, "model", models[below(chat, sizeof models / sizeof *models)]);
}

static void pack_local(struct chat *chat, struct avj_pack *pack, bool thread)
{
    bool user = chat->number % 2;
    char id[37];

    make_id(chat, id);
    if (thread)
        new_thread(chat);
    avj_entry_begin(pack, AVJ_E_LOCAL, stamp(chat), chat->session,
                    thread ? AVJ_THREAD : AVJ_MESSAGE, thread ? chat->thread : id, 3);
    pair(pack, "o", "create");
    pair(pack, "u", NULL);
    avj_pack_cstr(pack, "f");
    if (thread)
        pack_thread_fields(chat, pack);
    else
        pack_message_fields(chat, pack, id, user);
}

/* A message as the server has it. */
static void pack_row(struct chat *chat, struct avj_pack *pack, bool ack)
{
    char id[37], when[TIME_TEXT];

    make_id(chat, id);
    make_time(chat, when);
    avj_entry_begin(pack, ack ? AVJ_E_ACK : AVJ_E_REMOTE, stamp(chat), chat->session, AVJ_MESSAGE,
                    id, ack ? 7 : 5);
    if (!ack)
        pair(pack, "b", below(chat, 2) ? "realtime" : "pull");
    pair(pack, "r", id);
    if (ack) {
        avj_pack_cstr(pack, "s");
        avj_pack_int(pack, (int64_t)chat->number);
        avj_pack_cstr(pack, "x");
        avj_pack_int(pack, 201);
    }
    pair(pack, "v", when);
    pair(pack, "c", when);
    avj_pack_cstr(pack, "f");
    pack_message_fields(chat, pack, id, chat->number % 2);
    if (ack) {
        avj_pack_cstr(pack, "k");
        avj_pack_list(pack, 0);
    }
}

static void pack_push(struct chat *chat, struct avj_pack *pack)
{
    char id[37], attempt[33];

    make_id(chat, id);
    hex(chat, attempt, 32);
    avj_entry_begin(pack, AVJ_E_PUSH, stamp(chat), chat->session, AVJ_ENTITIES, NULL, 3);
    pair(pack, "a", attempt);
    pair(pack, "v", "transaction");
    avj_pack_cstr(pack, "d");
    avj_pack_list(pack, 1);
    avj_pack_list(pack, 5);
    avj_pack_cstr(pack, "message");
    avj_pack_cstr(pack, id);
    avj_pack_cstr(pack, id);
    avj_pack_int(pack, (int64_t)chat->number);
    avj_pack_cstr(pack, "create");
}

/* LEB128, as in front of a record. */
static void pack_length(struct avj_pack *out, size_t len)
{
    uint8_t bytes[8];
    size_t n = 0;

    for (; len >= 0x80; len >>= 7)
        bytes[n++] = (uint8_t)(len | 0x80);
    bytes[n++] = (uint8_t)len;
    avj_pack_raw(out, bytes, n);
}

void chat_init(struct chat *chat, const struct texts *texts, uint64_t seed)
{
    memset(chat, 0, sizeof *chat);
    chat->texts = texts;
    test_rng_init(&chat->rng, seed);
    chat->text = malloc(TEXT_MAX + 1);
    if (!chat->text)
        texts_die("out of memory", "chat");
    new_thread(chat);
}

void chat_release(struct chat *chat)
{
    free(chat->text);
}

void chat_next(struct chat *chat, struct avj_pack *out)
{
    struct avj_pack pack = {0};
    uint64_t kind = below(chat, 40);

    if (kind < 34)
        pack_local(chat, &pack, chat->number % 12 == 0);
    else if (kind < 35)
        pack_push(chat, &pack);
    else
        pack_row(chat, &pack, kind < 37);
    pack_length(out, pack.len);
    avj_pack_raw(out, pack.data, pack.len);
    if (pack.failed || out->failed)
        texts_die("out of memory", "chat");
    avj_pack_release(&pack);
    chat->number++;
}

/* Keys and values that are not in every entry. */
static void pack_names(struct avj_pack *out)
{
    static const char *const names[] = {"server",
                                        "row",
                                        "messages",
                                        "threads",
                                        "summaries",
                                        "projects",
                                        "userId",
                                        "messageId",
                                        "summary",
                                        "summaryId",
                                        "project",
                                        "projectId",
                                        "name",
                                        "description",
                                        "prompt",
                                        "colorIndex",
                                        "members",
                                        "isShared",
                                        "shareId",
                                        "sharedAt",
                                        "isBranched",
                                        "parentId",
                                        "webSearchResults",
                                        "webSearchImgs",
                                        "attachments",
                                        "filename",
                                        "originalName",
                                        "fileType",
                                        "mimeType",
                                        "application/pdf",
                                        "image/png",
                                        "image/jpeg",
                                        "text/plain",
                                        "size",
                                        "url",
                                        "publicId",
                                        "textContent",
                                        "imgurl",
                                        "data:image/png;base64,iVBORw0KGgo",
                                        "data:image/jpeg;base64,/9j/4AAQSkZJRg",
                                        "isPlan",
                                        "system",
                                        "data",
                                        "stream",
                                        "begin",
                                        "append",
                                        "end",
                                        "interrupted",
                                        "gap",
                                        "open",
                                        "close",
                                        "conflict",
                                        "elsewhere",
                                        "here",
                                        "reject",
                                        "retry",
                                        "drop",
                                        "session",
                                        "login",
                                        "logout",
                                        "claim",
                                        "repair",
                                        "single",
                                        "https://cdn.",
                                        "https://www.",
                                        ".jpg",
                                        ".png",
                                        ".pdf",
                                        "snippet",
                                        "New Chat"};

    avj_pack_list(out, sizeof names / sizeof *names);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        avj_pack_cstr(out, names[i]);
}

/* A change and a removal, which have few fields. */
static void pack_small_changes(struct chat *chat, struct avj_pack *out)
{
    char id[37], when[TIME_TEXT];

    make_id(chat, id);
    make_time(chat, when);
    avj_entry_begin(out, AVJ_E_LOCAL, stamp(chat), chat->session, AVJ_MESSAGE, id, 2);
    pair(out, "o", "delete");
    pair(out, "u", NULL);
    avj_entry_begin(out, AVJ_E_LOCAL, stamp(chat), chat->session, AVJ_THREAD, chat->thread, 3);
    pair(out, "o", "update");
    pair(out, "u", NULL);
    avj_pack_cstr(out, "f");
    avj_pack_map(out, 2);
    pair(out, "updatedAt", when);
    pair(out, "lastMessageAt", when);
}

void chat_skeleton(struct chat *chat, struct avj_pack *out)
{
    chat->silent = true;
    pack_names(out);
    pack_push(chat, out);
    pack_row(chat, out, false);
    pack_row(chat, out, true);
    pack_local(chat, out, true);
    pack_small_changes(chat, out);
    for (size_t i = 0; i < 4; i++) {
        pack_local(chat, out, false);
        chat->number++;
    }
    chat->silent = false;
}
