{
use rankscope::express::{self, Target};
let target = Target::random(12, 2.0, &Mask::bidirectional(), 7)?;
let head = express::best_fit(&target, 3, &Run::new(0))?;
println!("KL {:.3e} nats, largest error {:.3e}", head.kl, head.max_error);
head.factors.weights(target.allowed())
}
