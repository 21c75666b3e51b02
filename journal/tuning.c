/* The table of zstd's parameters: see tuning.h. */
#include "journal/tuning.h"

#include <assert.h>
#include <zstd.h>

/* Zero: as the level has it. */
struct tuning {
    int level, strategy, window_log, hash_log, chain_log, search_log, min_match;
};

static const struct tuning tunings[AVJ_TUNINGS] = {
    /*
     * 900 bytes: some 20 us.  Looking at twice as many places (search_log 5) saves 1 % at most, and
     * with a journal's own dictionary, which has more of them, takes 6 us.  With a dictionary's
     * table of letters, a match of 4 bytes costs more than its letters: min_match 5.  Window 14:
     * with a larger one zstd 1.5 searches by rows instead of chains, which finds less here, and
     * only its unstable interface can forbid that.
     */
    [AVJ_TUNE_SMALL] = {6, ZSTD_lazy, 14, 16, 17, 4, 5},
    [AVJ_TUNE_MEDIUM] = {.level = 3},
    /* What level 3 takes for more than 256 KiB: for less it takes tables that cost 3 % of bytes. */
    [AVJ_TUNE_BULK] = {3, ZSTD_dfast, .hash_log = 17, .chain_log = 16, .min_match = 5},
    /* 64 KiB each: the dictionary finds what the part does not, and the quickest search will do.
     * As quick as BULK, and 2 % larger. */
    [AVJ_TUNE_PARTS] = {2, ZSTD_fast, .hash_log = 17, .min_match = 6},
    /* Level 16's search, a little more thorough, over a part and its dictionary, 192 KiB, in
     * tables of that size: what is prepared of the dictionary is copied for every frame. */
    [AVJ_TUNE_SEALED] = {16, ZSTD_btultra, 18, 18, 18, 6, 5},
};

enum avj_tuning avj_tuning_for(size_t raw)
{
    return raw < AVJ_SMALL_RAW  ? AVJ_TUNE_SMALL
           : raw < AVJ_BULK_RAW ? AVJ_TUNE_MEDIUM
                                : AVJ_TUNE_BULK;
}

static bool set(ZSTD_CCtx *zstd, ZSTD_cParameter parameter, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameter, value));
}

bool avj_tune(ZSTD_CCtx *zstd, enum avj_tuning tuning)
{
    assert((size_t)tuning < AVJ_TUNINGS);
    const struct tuning *t = &tunings[tuning];
    return set(zstd, ZSTD_c_compressionLevel, t->level) &&
           set(zstd, ZSTD_c_strategy, t->strategy) && set(zstd, ZSTD_c_windowLog, t->window_log) &&
           set(zstd, ZSTD_c_hashLog, t->hash_log) && set(zstd, ZSTD_c_chainLog, t->chain_log) &&
           set(zstd, ZSTD_c_searchLog, t->search_log) && set(zstd, ZSTD_c_minMatch, t->min_match) &&
           set(zstd, ZSTD_c_checksumFlag, 1) && set(zstd, ZSTD_c_dictIDFlag, 0);
}
