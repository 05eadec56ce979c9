"""The shared encoder: EfficientNet-Lite2, its last layers fine-tuned on captions.

    python -m training.run photo_encoder --data DATA --out models/efficientnet-lite2

Some 80 minutes on two cores, ten of them for the layers that stay as they are. Expected of its own captioner on 500
validation photos: BLEU-1 .625, BLEU-4 .212, CIDEr .526.
"""

from training.common.captions.decoder_net import DecoderNet
from training.common.experiment import Experiment, Schedule
from training.encoder.encoder_plan import EncoderPlan

EXPERIMENT = Experiment(
    name="efficientnet-lite2",
    version="1.2.0",
    summary="The 1,000 ImageNet classes, ranked by probability; and the features that captions and tags are made from.",
    seed=1,
    schedule=Schedule(epochs=10, batch_size=32, learning_rate=6e-4),
    plan=EncoderPlan(
        net=DecoderNet(layers=2, dim=320, heads=8, hidden=1280, drop=0.3, drop_grid=0.1, drop_attention=0.1),
        views=4,
        least_count=5,
        most_words=17,
        encoder_rate=0.15,
        warm_up=200,
        weight_decay=0.01,
        word_loss=0.02,
        smoothing=0.1,
        average=0.998,
    ),
)
