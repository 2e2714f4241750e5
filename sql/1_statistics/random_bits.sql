-- 32 bits that look random, the same for a number for ever: a multiplicative hash of two rounds (constants of Mueller's
-- and Wellons' searches for low bias), in arithmetic that no version of DuckDB can change.
-- grain: scalar
-- argument z: a whole number from 0 to 2^32 - 1
create macro random_bits(z) as
(
    xor(
        (xor(z::bigint, z::bigint >> 15) * 739982445) & 4294967295,
        ((xor(z::bigint, z::bigint >> 15) * 739982445) & 4294967295) >> 12
    ) * 695872825
) & 4294967295;
