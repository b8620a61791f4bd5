//! Numbers that look random and are the same for the same seed.

pub struct Random(u64);

impl Random {
    /// Seeds that are near each other give other numbers.
    pub const fn new(seed: u64) -> Self {
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }

    /// The next number, below 2^31.
    pub fn number(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number()).unwrap() % end
    }

    /// A number from 0 up to 1.
    pub fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.number()).unwrap()) / f64::from(1_u32 << 31)
    }
}
